package release

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"noriter.dev/noriter/provision/stock"
)

// addPrograms puts the programs beside one another, where nori looks for those that go
// to the machines, and a link to nori where people's PATH leads. kubectl has a link
// only beside them: the host may have one of its own.
func addPrograms(_ context.Context, o Options) error {
	names, err := programs(o.Programs)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := copyProgram(filepath.Join(o.Programs, name), filepath.Join(o.Tree, stock.Programs, name)); err != nil {
			return err
		}
	}
	if err := o.link(filepath.Join(stock.Programs, "kubectl"), "nori"); err != nil {
		return err
	}
	return o.link("bin/nori", "../"+stock.Programs+"/nori")
}

// programs are the names of the programs in a folder.
func programs(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func copyProgram(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), programMode); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, programMode)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

// nori runs the program that goes into the release.
func (o Options) nori(ctx context.Context, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, filepath.Join(o.Programs, "nori"), args...)
	// TZ: pages name the month of the release.
	c.Env = append(os.Environ(), "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC", fmt.Sprintf("SOURCE_DATE_EPOCH=%d", o.Epoch.Unix()))
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("nori %s: %w\n%s", strings.Join(args, " "), err, said.String())
	}
	return out.Bytes(), nil
}

// addCompletion writes the shells' completion to where they look for it.
func addCompletion(ctx context.Context, o Options) error {
	for shell, path := range map[string]string{
		"bash": "share/bash-completion/completions/nori",
		"zsh":  "share/zsh/vendor-completions/_nori",
		"fish": "share/fish/vendor_completions.d/nori.fish",
	} {
		script, err := o.nori(ctx, "completion", shell)
		if err != nil {
			return err
		}
		if err := o.put(path, script); err != nil {
			return err
		}
	}
	return nil
}

// addManual writes the manual in both languages, packed as Debian wants it.
func addManual(ctx context.Context, o Options) error {
	for language, dir := range map[string]string{"en": "share/man/man1", "ko": "share/man/ko/man1"} {
		plain, err := os.MkdirTemp("", "noriter-manual-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(plain)
		if _, err := o.nori(ctx, "--lang", language, "manual", plain); err != nil {
			return err
		}
		pages, err := programs(plain)
		if err != nil {
			return err
		}
		for _, page := range pages {
			text, err := os.ReadFile(filepath.Join(plain, page))
			if err != nil {
				return err
			}
			if err := o.putPacked(filepath.Join(dir, page), text); err != nil {
				return err
			}
		}
	}
	return nil
}

// putPacked writes a file with gzip, without a name or a time in it.
func (o Options) putPacked(path string, content []byte) error {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(content); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return o.put(path+".gz", packed.Bytes())
}
