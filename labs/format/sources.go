package format

import (
	"errors"
	"io/fs"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/source"
)

// Place is where the source is: FILE:LINE of the function, or the path.
func (s *Source) Place() string {
	if s.Func == "" {
		return s.Path
	}
	if p, err := source.Find(s.Path, s.Func); err == nil {
		return p.String()
	}
	return s.Path // lint tells of it
}

// CheckSources finds what the lab points at in the project's source; a
// function that has gone is a mistake.
func (l *Lab) CheckSources() (problems problem.List) {
	for i := range l.Sources {
		s := &l.Sources[i]
		fail := func(text string) { problems = append(problems, problem.At(s.At, "sources: %s", text)) }
		switch {
		case !source.Carried(s.Path):
			if s.Func != "" {
				fail("func is for what is below cluster/, found the path " + s.Path)
			}
		case s.Func != "":
			if _, err := source.Find(s.Path, s.Func); err != nil {
				fail(err.Error())
			}
		case !source.Exists(s.Path):
			fail("there is no source at " + s.Path)
		}
	}
	return problems
}

// Lint reads all labs of a file system and reports every mistake in them, as
// a problem.List. That includes what only all of them together can have
// wrong, such as a lab that needs one which isn't there.
func Lint(fsys fs.FS) error {
	all, err := LoadAll(fsys)
	var problems problem.List
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	for _, l := range all {
		problems = append(problems, l.CheckSources()...)
	}
	if len(problems) == 0 {
		return nil
	}
	return problems
}
