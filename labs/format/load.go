package format

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/field"
	"noriter.dev/noriter/labs/folder"
)

// Load reads the lab in folder dir and checks all of it. Mistakes in the lab
// are a problem.List; any other error is the file system's.
func Load(fsys fs.FS, dir string) (*Lab, error) {
	sub, err := fs.Sub(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("opening the lab in %s: %w", dir, err)
	}
	file := path.Join(dir, "lab.yaml")
	data, err := fs.ReadFile(sub, "lab.yaml")
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	lab, problems := Parse(file, data)
	if lab == nil {
		return nil, problems
	}
	lab.FS = sub
	if len(problems) == 0 { // else a check may be of no kind
		problems = lab.checkWords(file)
	}
	problems = append(problems, lab.checkFiles(dir)...)
	problems = append(problems, folder.Unprintable(fsys, dir)...)
	lab.Prose = map[string]*Prose{}
	for _, language := range []string{"en", "ko"} {
		name := path.Join(dir, language+".md")
		text, err := fs.ReadFile(sub, language+".md")
		if errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, problem.Line(name, 0, "the text in this language is missing"))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		prose, wrong := ParseProse(name, string(text))
		problems = append(problems, wrong...)
		problems = append(problems, lab.checkProse(prose)...)
		lab.Prose[language] = prose
	}
	return lab, problems.Err()
}

// LoadAll reads every folder below root that holds a lab.yaml, in order of
// their names, and reports the mistakes of all of them.
func LoadAll(fsys fs.FS) ([]*Lab, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("reading the labs: %w", err)
	}
	var labs []*Lab
	var problems problem.List
	for _, e := range entries {
		if _, err := fs.Stat(fsys, path.Join(e.Name(), "lab.yaml")); !e.IsDir() || err != nil {
			continue
		}
		lab, err := Load(fsys, e.Name())
		var wrong problem.List
		if errors.As(err, &wrong) {
			problems = append(problems, wrong...)
			continue
		}
		if err != nil {
			return nil, err
		}
		labs = append(labs, lab)
	}
	return labs, append(problems, checkTogether(labs)...).Err()
}

// checkTogether finds what only several labs can have wrong.
func checkTogether(labs []*Lab) (problems problem.List) {
	byID := map[string]bool{}
	var ids []string
	for _, l := range labs {
		if byID[l.ID] {
			problems = append(problems, problem.Line(l.ID, 0, "two labs have the id %q", l.ID))
		}
		byID[l.ID] = true
		ids = append(ids, l.ID)
	}
	for _, l := range labs {
		for _, need := range l.Needs {
			if !byID[need] {
				problems = append(problems, problem.Line(l.ID+"/lab.yaml", 0,
					"needs: there is no lab %q%s", need, strict.Suggest(need, ids)))
			}
		}
	}
	return problems
}

// Parse reads lab.yaml alone, with its expressions compiled.
func Parse(file string, data []byte) (*Lab, problem.List) {
	lab := &Lab{}
	if problems := strict.Decode(file, data, lab); len(problems) > 0 {
		return nil, problems
	}
	v := &validator{Validator: field.Validator{File: file}, lab: lab}
	v.run()
	return lab, v.Problems
}

// checkFiles sees that every file that lab.yaml names is there, and that no
// script lies about unnamed.
func (l *Lab) checkFiles(dir string) (problems problem.List) {
	file := path.Join(dir, "lab.yaml")
	missing := func(at problem.Pos, name string) {
		if _, err := fs.Stat(l.FS, name); err != nil {
			if at.File == "" {
				at.File = file
			}
			problems = append(problems, problem.At(at, "the file %s is missing", path.Join(dir, name)))
		}
	}
	named := map[string]bool{}
	for _, s := range l.Setup {
		if s.Manifest != "" {
			missing(s.At, s.Manifest)
		}
		if s.Wait != nil {
			s.Wait.Files(missing)
		}
	}
	for i, s := range l.Steps {
		name := l.Solution(i)
		named[name] = true
		missing(s.At, name)
		for j := range s.Checks {
			s.Checks[j].Files(missing)
		}
	}
	for _, w := range append(append([]Way(nil), l.Wrong...), l.Other...) {
		named[w.Script] = true
		missing(w.At, w.Script)
	}
	for _, folder := range []string{"solution", "wrong", "other"} {
		entries, _ := fs.ReadDir(l.FS, folder) // a folder that isn't there has no stray files
		for _, e := range entries {
			if name := path.Join(folder, e.Name()); !named[name] {
				problems = append(problems, problem.Line(path.Join(dir, name), 0, "no step and no way of lab.yaml uses this script"))
			}
		}
	}
	sort.SliceStable(problems, func(i, j int) bool { return problems[i].Line < problems[j].Line })
	return problems
}

// Solution is the name of the script that solves step i (from zero).
func (l *Lab) Solution(i int) string {
	return fmt.Sprintf("solution/%02d-%s.sh", i+1, l.Steps[i].ID)
}
