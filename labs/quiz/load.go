package quiz

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/folder"
)

//go:embed all:content
var embedded embed.FS

// Content is the quizzes that are built in: a folder per topic.
func Content() fs.FS {
	sub, err := fs.Sub(embedded, "content")
	if err != nil { // the name is a constant and valid
		panic(err)
	}
	return sub
}

// order is the order of the topics in lists: that of the labs. Others follow
// by name.
var order = []string{"pods", "replicasets", "nodeport", "ingress", "daemonsets", "imagepullbackoff"}

// All reads the quizzes that are built in.
func All() ([]*Quiz, error) { return LoadAll(Content()) }

// Find reads one of the built-in quizzes; nil if there is none on that topic.
func Find(topic string) (*Quiz, error) {
	all, err := All()
	for _, z := range all {
		if z.Topic == topic {
			return z, err
		}
	}
	return nil, err
}

// Topics names the built-in quizzes without reading them.
func Topics() []string { return topics(Content()) }

// topics lists the folders that hold a quiz, in the order of the labs.
func topics(fsys fs.FS) []string {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil // no folder, no quizzes
	}
	there := map[string]bool{}
	for _, e := range entries {
		if _, err := fs.Stat(fsys, path.Join(e.Name(), "quiz.yaml")); err == nil {
			there[e.Name()] = true
		}
	}
	var out []string
	for _, topic := range order {
		if there[topic] {
			out = append(out, topic)
			delete(there, topic)
		}
	}
	for _, e := range entries {
		if there[e.Name()] {
			out = append(out, e.Name())
		}
	}
	return out
}

// LoadAll reads every quiz of a file system. Mistakes are a problem.List, of
// all quizzes together.
func LoadAll(fsys fs.FS) ([]*Quiz, error) {
	var all []*Quiz
	var problems problem.List
	for _, topic := range topics(fsys) {
		z, err := Load(fsys, topic)
		var wrong problem.List
		switch {
		case errors.As(err, &wrong):
			problems = append(problems, wrong...)
		case err != nil:
			return nil, err
		default:
			all = append(all, z)
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return all, nil
}

// Load reads the quiz in folder dir and checks all of it.
func Load(fsys fs.FS, dir string) (*Quiz, error) {
	file := path.Join(dir, "quiz.yaml")
	data, err := fs.ReadFile(fsys, file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	worldFile := path.Join(dir, "world.yaml")
	world, err := fs.ReadFile(fsys, worldFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading %s: %w", worldFile, err)
	}
	z, problems := Parse(file, data)
	problems = append(problems, folder.Unprintable(fsys, dir)...)
	if z != nil {
		z.world = string(world)
		problems = append(problems, z.checkWorld(worldFile)...)
		if z.Topic != path.Base(dir) {
			problems = append(problems, problem.Line(file, 1,
				"topic: is %q, but the folder is %q", z.Topic, path.Base(dir)))
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return z, nil
}

// Lint gives every mistake in the quizzes of a file system.
func Lint(fsys fs.FS) []problem.Problem {
	_, err := LoadAll(fsys)
	var problems problem.List
	if errors.As(err, &problems) {
		return problems
	}
	if err != nil {
		return []problem.Problem{{Message: err.Error()}}
	}
	return nil
}
