package release

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// short are the short names of all licences of a part.
func (p part) short() []string {
	found := map[string]bool{}
	for _, l := range p.licences {
		for _, s := range l.short {
			found[s] = true
		}
	}
	if len(found) == 0 {
		return []string{"see licences.txt.gz"}
	}
	return slices.Sorted(maps.Keys(found))
}

// texts is all licences, each text once, below the names of the parts that it is for.
func texts(parts []part) []byte {
	var order []string
	of := map[string][]string{}
	for _, p := range parts {
		for _, l := range p.licences {
			text := strings.TrimSpace(strings.ReplaceAll(l.text, "\r\n", "\n"))
			if of[text] == nil {
				order = append(order, text)
			}
			of[text] = append(of[text], strings.TrimSpace(strings.Join([]string{p.kind, p.name, p.version, l.file}, " ")))
		}
	}
	var b bytes.Buffer
	line := strings.Repeat("=", 80) + "\n"
	for _, text := range order {
		b.WriteString(line + strings.Join(slices.Compact(of[text]), "\n") + "\n" + line + "\n" + text + "\n\n")
	}
	return b.Bytes()
}

// debianLicence is a copyright file; those that programs can read name the licences
// (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/).
func debianLicence(text string) []licence {
	l := licence{file: "copyright", text: text}
	if strings.Contains(text, "copyright-format/1.0") {
		for _, m := range licenceField.FindAllStringSubmatch(text, -1) {
			l.short = append(l.short, strings.TrimSpace(m[1]))
		}
	}
	return []licence{l}
}

var licenceField = regexp.MustCompile(`(?m)^License:[ \t]*(\S.*)$`)

// listed is what `go list` tells of a package.
type listed struct {
	Dir      string
	Standard bool
	Module   *module
}

type module struct {
	Path, Version, Dir string
	Main               bool
	Replace            *module
}

// goModules are the modules of which some package is in a program, and Go itself.
func goModules(ctx context.Context, o Options) ([]part, error) {
	packages, err := goList(ctx, o)
	if err != nil {
		return nil, err
	}
	standard, err := goItself(ctx, o)
	if err != nil {
		return nil, err
	}
	found := map[string]*part{}
	for _, p := range packages {
		m := p.Module
		switch {
		case p.Standard:
			m = standard
		case m == nil || m.Main:
			continue // ours
		}
		if found[m.Path] == nil {
			version := m.Version
			if m.Replace != nil {
				version = m.Replace.Version
			}
			found[m.Path] = &part{kind: "go", name: m.Path, version: version}
		}
		if err := found[m.Path].takeLicences(p.Dir, m.Dir); err != nil {
			return nil, err
		}
	}
	var parts []part
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if len(found[name].licences) == 0 {
			return nil, fmt.Errorf("the Go module %s has no licence", name)
		}
		parts = append(parts, *found[name])
	}
	return parts, nil
}

// goItself is Go's own library, as if it were a module.
func goItself(ctx context.Context, o Options) (*module, error) {
	out, err := goRun(ctx, o, "env", "GOVERSION", "GOROOT")
	if err != nil {
		return nil, err
	}
	version, root, ok := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if !ok {
		return nil, fmt.Errorf("go env says %q", out)
	}
	return &module{Path: "std", Version: version, Dir: root}, nil
}

// goList lists all packages that are in the programs.
func goList(ctx context.Context, o Options) (all []listed, err error) {
	names, err := programs(o.Programs)
	if err != nil {
		return nil, err
	}
	args := []string{"list", "-deps", "-json=Dir,Standard,Module"}
	for _, name := range names {
		dir := "cmd/" + name
		if _, err := os.Stat(filepath.Join(o.Repo, dir)); err != nil {
			continue // one that is there for another processor, too
		}
		args = append(args, "./"+dir)
	}
	out, err := goRun(ctx, o, args...)
	if err != nil {
		return nil, err
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
}

func goRun(ctx context.Context, o Options, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir = o.Repo
	out, err := c.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, exit.Stderr)
	}
	return out, err
}

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright|patents)([.-].*)?$`)

// takeLicences takes the licence files of a package's folder and of those above it, up
// to the top of its module.
func (p *part) takeLicences(dir, top string) error {
	for ; strings.HasPrefix(dir, top); dir = filepath.Dir(dir) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			name, err := filepath.Rel(top, filepath.Join(dir, e.Name()))
			if err != nil {
				return err
			}
			code := strings.HasSuffix(e.Name(), ".go")
			if !e.Type().IsRegular() || code || !licenceName.MatchString(e.Name()) || p.has(name) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return err
			}
			l := licence{file: name, text: string(text)}
			for _, m := range licensecheck.Scan(text).Match {
				l.short = append(l.short, m.ID)
			}
			p.licences = append(p.licences, l)
		}
	}
	return nil
}

func (p *part) has(file string) bool {
	return slices.ContainsFunc(p.licences, func(l licence) bool { return l.file == file })
}
