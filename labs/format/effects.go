package format

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/world"
)

// Effects are what a lab does beyond looking: what its author has written to be run, and
// where, and what it makes. They are in the order in which they may happen.
type Effects struct {
	Namespace string
	// Host are scripts that run on this host by themselves, Typed those that run when the
	// learner asks for a solution, and in a proof.
	Host, Typed []string
	// Machines are commands on machines, Pods those in containers.
	Machines, Pods []string
	// Addresses are asked for pages, wherever they lead.
	Addresses []string
	// Objects are what is created and changed; Images are what containers are made from.
	Objects, Images []string
}

// Effects collects them.
func (l *Lab) Effects() Effects {
	e := Effects{Namespace: l.Namespace}
	on := func(where check.Where, what string) {
		into := map[check.Where]*[]string{check.OnHost: &e.Host, check.OnMachine: &e.Machines, check.InPod: &e.Pods,
			check.OverNetwork: &e.Addresses, check.OnObjects: &e.Objects}[where]
		*into = append(*into, what)
	}
	for i := range l.Setup {
		s := &l.Setup[i]
		switch {
		case s.Manifest != "":
			if text, err := fs.ReadFile(l.FS, s.Manifest); err == nil { // one that is missing is a mistake of the lab
				e.Manifest(s.Manifest, string(text))
			}
		case s.Node != nil:
			on(check.OnMachine, s.Node.On.Source()+": "+s.Node.Run.Source())
			if s.Node.Undo != nil {
				on(check.OnMachine, s.Node.On.Source()+": "+s.Node.Undo.Source())
			}
		case s.Wait != nil:
			s.Wait.Runs(on)
		}
	}
	for i := range l.Steps {
		for j := range l.Steps[i].Checks {
			l.Steps[i].Checks[j].Runs(on)
		}
		e.Typed = append(e.Typed, l.Solution(i))
	}
	for _, w := range slices.Concat(l.Wrong, l.Other) {
		e.Typed = append(e.Typed, w.Script)
	}
	for _, name := range files(l.FS, "files") {
		if text, err := fs.ReadFile(l.FS, name); err == nil {
			e.images(string(text))
		}
	}
	return e
}

// files are those below a folder of the lab.
func files(fsys fs.FS, dir string) (names []string) {
	_ = fs.WalkDir(fsys, dir, func(name string, d fs.DirEntry, err error) error { // no folder, no files
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return nil
	})
	return names
}

var (
	expression = regexp.MustCompile(`\{\{.*?\}\}`)
	image      = regexp.MustCompile(`(?m)^[\s-]*"?image"?:[ \t]*["']?([^\s"',}]+)|[{,]\s*"?image"?:\s*["']?([^\s"',}]+)`)
)

// Manifest notes what a manifest makes. What its expressions will give is not known yet.
func (e *Effects) Manifest(name, text string) {
	e.images(text)
	objects, err := world.Objects(name, expression.ReplaceAllString(text, "1"))
	if err != nil { // what can't be read now is named as a whole
		e.Objects = append(e.Objects, fmt.Sprintf("all of %s", name))
		return
	}
	for _, o := range objects {
		e.Objects = append(e.Objects, fmt.Sprintf("%s %s (%s)", o.GetKind(), o.GetName(), path.Base(name)))
	}
}

// images notes the images that a text names.
func (e *Effects) images(text string) {
	for _, m := range image.FindAllStringSubmatch(text, -1) {
		if ref := strings.TrimSpace(m[1] + m[2]); !slices.Contains(e.Images, ref) {
			e.Images = append(e.Images, ref)
		}
	}
}
