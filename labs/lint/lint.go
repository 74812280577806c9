// Package lint finds the mistakes in what people write for the playground
// (labs, quizzes, and testbed files), without a cluster: all of them at once, each with
// its file and line.
package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"noriter.dev/noriter/cheatsheets"
	"noriter.dev/noriter/internal/learner"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/terms"
	"noriter.dev/noriter/labs/content"
	"noriter.dev/noriter/labs/folder"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/quiz"
	"noriter.dev/noriter/testbed"
)

// ErrNothing means that there is nothing at a path that could be looked at.
var ErrNothing = errors.New("neither a lab (a folder with a lab.yaml), nor a folder of labs, nor a quiz (a folder with a quiz.yaml), nor a testbed file")

// BuiltIn looks at what comes with the program: labs, quizzes and cheatsheets.
func BuiltIn() (problem.List, error) {
	found, err := problems(format.Lint(content.FS))
	if err != nil {
		return nil, err
	}
	found = append(found, quiz.Lint(quiz.Content())...)
	sheets, err := cheatsheets.Lint(cheatsheets.FS)
	if err != nil {
		return nil, err
	}
	found = append(found, sheets...)
	for _, texts := range []fs.FS{content.FS, quiz.Content(), cheatsheets.FS} {
		words, err := terms.Lint(texts)
		if err != nil {
			return nil, err
		}
		found = append(found, words...)
	}
	return found, nil
}

// Path looks at a lab or a quiz, a file of one, a folder of labs, or a testbed
// file.
func Path(path string) (problem.List, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("looking at %s: %w", path, err)
	}
	dir := path
	if !info.IsDir() {
		dir = filepath.Dir(path)
		if !isLab(dir) && !isQuiz(dir) {
			return spec(path)
		}
	}
	if isLab(dir) {
		return lab(dir)
	}
	if isQuiz(dir) {
		return quizAt(dir)
	}
	return labsBelow(dir)
}

// labsBelow looks at all labs of a folder, each of which is read by itself.
func labsBelow(dir string) (problem.List, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*", "lab.yaml"))
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, ErrNothing)
	}
	var all []*folder.Folder
	var bad problem.List
	for _, file := range found {
		f, err := read(filepath.Dir(file))
		var wrong *folder.BadError
		switch {
		case errors.As(err, &wrong):
			bad = append(bad, problem.Problem{Message: err.Error()})
		case err != nil:
			return nil, err
		default:
			all = append(all, f)
		}
	}
	together := folder.Together(all)
	mistakes, err := problems(format.Lint(together))
	if err != nil {
		return nil, err
	}
	words, err := terms.Lint(together)
	return append(bad, below(dir, append(mistakes, words...))...), err
}

func isLab(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, "lab.yaml"))
	return err == nil
}

func isQuiz(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, "quiz.yaml"))
	return err == nil
}

// read reads a folder with the rights of whoever called.
func read(dir string) (f *folder.Folder, err error) {
	abs, err := filepath.Abs(dir) // "." has no name
	if err != nil {
		return nil, fmt.Errorf("looking at %s: %w", dir, err)
	}
	who, err := learner.Caller()
	if err != nil {
		return nil, err
	}
	err = who.Do(func() error {
		f, err = folder.Read(abs)
		return err
	})
	return f, err
}

// one looks at a folder with one lab or quiz.
func one(dir string, load func(f *folder.Folder) error) (problem.List, error) {
	f, err := read(dir)
	var bad *folder.BadError
	if errors.As(err, &bad) {
		return problem.List{{Message: err.Error()}}, nil
	}
	if err != nil {
		return nil, err
	}
	found, err := problems(load(f))
	if err != nil {
		return nil, err
	}
	words, err := terms.Lint(f)
	found = append(found, words...)
	for i := range found {
		found[i].File = strings.TrimPrefix(found[i].File, f.Name()+"/")
	}
	return below(dir, found), err
}

// quizAt looks at one quiz.
func quizAt(dir string) (problem.List, error) {
	return one(dir, func(f *folder.Folder) error {
		_, err := quiz.Load(f, f.Name())
		return err
	})
}

// lab looks at one lab. What only all labs together can have wrong, such as
// a lab that it needs, is left to the folder of labs.
func lab(dir string) (problem.List, error) {
	return one(dir, func(f *folder.Folder) error {
		l, err := format.Load(f, f.Name())
		found, err := problems(err)
		if l != nil {
			found = append(found, l.CheckSources()...)
		}
		return errors.Join(err, found.Err())
	})
}

// Runs gives what the lab or quiz in a folder, or in that of a file, does beyond looking;
// false if there is none without mistakes.
func Runs(path string) (format.Effects, bool) {
	dir := path
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		dir = filepath.Dir(path)
	}
	f, err := read(dir)
	if err != nil {
		return format.Effects{}, false
	}
	if l, err := format.Load(f, f.Name()); err == nil {
		return l.Effects(), true
	}
	z, err := quiz.Load(f, f.Name())
	if err != nil {
		return format.Effects{}, false
	}
	return z.Effects(), true
}

// below puts the folder before the files of problems.
func below(dir string, found problem.List) problem.List {
	for i := range found {
		found[i].File = filepath.Join(dir, filepath.FromSlash(found[i].File))
	}
	return found
}

// problems takes an error apart into mistakes and what isn't one.
func problems(err error) (problem.List, error) {
	var found problem.List
	if errors.As(err, &found) {
		return found, nil
	}
	return nil, err
}

// spec looks at a testbed file.
func spec(path string) (problem.List, error) {
	if ext := filepath.Ext(path); ext != ".yaml" && ext != ".yml" {
		return nil, fmt.Errorf("%s: %w", path, ErrNothing)
	}
	_, _, err := testbed.ReadSpec(path)
	found, err := problems(err)
	if err == nil {
		return found, nil
	}
	// What is wrong with a value is said without a line.
	for _, line := range strings.Split(err.Error(), "\n") {
		found = append(found, problem.Problem{Message: line})
	}
	return found, nil
}
