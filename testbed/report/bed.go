package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"noriter.dev/noriter/internal/tail"
	"noriter.dev/noriter/testbed"
)

func (r *run) bed(ctx context.Context) error {
	names, err := r.Home.Names()
	r.add("testbeds.txt", strings.Join(names, "\n"))
	if r.Name == "" {
		return err
	}
	// As it is, since it may be what is broken.
	state, serr := os.ReadFile(r.Home.StateFile(r.Name))
	r.add("testbed/state.json", string(state))
	if serr != nil && !errors.Is(serr, fs.ErrNotExist) {
		err = errors.Join(err, serr)
	}
	if r.Testbed == nil {
		return err
	}
	steps, serr := os.ReadFile(r.Testbed.StepLog())
	if serr != nil && !errors.Is(serr, fs.ErrNotExist) {
		err = errors.Join(err, serr)
	}
	r.add("testbed/steps.txt", string(steps))
	r.add("testbed/sizes.txt", sizes(r.Testbed.Dir())+sizes(r.Home.Cache()))
	status, serr := r.Testbed.Status(ctx)
	if serr != nil {
		return errors.Join(err, serr)
	}
	text, serr := json.MarshalIndent(status, "", "  ")
	r.add("testbed/status.json", string(text))
	return errors.Join(err, serr)
}

// sizesDepth is how far down sizes are told: what is below belongs to machines.
const sizesDepth = 3

// sizes tells how large a folder's files are, and which are old.
func sizes(dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", dir)
	// What can't be read is told where it would have been.
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path) // below it
		if err != nil {
			fmt.Fprintf(&b, "%12s  %s\n", "?", rel)
			return nil
		}
		depth := strings.Count(rel, string(filepath.Separator)) + 1
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			fmt.Fprintf(&b, "%12d  %s  %s\n", info.Size(), info.ModTime().UTC().Format("2006-01-02 15:04"), rel)
		}
		if d.IsDir() && (depth >= sizesDepth || rel != "." && (d.Name() == "root" || d.Name() == "ssh" || d.Name() == "pki")) {
			fmt.Fprintf(&b, "%12s  %s/\n", "", rel)
			return fs.SkipDir
		}
		return nil
	})
	return b.String()
}

// consoles are kept by the driver, in files of the machine's folder or beside the disks.
var consoles = []string{"*/machines/*/console.log", "*/*/*.console.log"}

// consoleBytes is how much of a console's end is taken.
const consoleBytes = 32 << 10

func (r *run) consoles(context.Context) error {
	var errs []error
	for _, pattern := range consoles {
		found, err := filepath.Glob(filepath.Join(r.Testbed.Dir(), pattern))
		errs = append(errs, err)
		for _, file := range found {
			text, err := tail.Of(file, consoleBytes)
			errs = append(errs, err)
			name := strings.TrimSuffix(filepath.Base(file), ".console.log")
			if name == filepath.Base(file) {
				name = filepath.Base(filepath.Dir(file))
			}
			r.add("machines/"+name+"/console.txt", text)
		}
	}
	return errors.Join(errs...)
}

// ownSecrets are the texts of the testbed's keys: what is in the folders of keys, line
// for line, and what a kubeconfig has for logging in.
func ownSecrets(dir string) (secrets []string) {
	for _, folder := range testbed.KeyFolders {
		_ = filepath.WalkDir(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // what can't be read can't be told either
			}
			data, err := os.ReadFile(path)
			if err != nil || strings.HasSuffix(path, ".crt") || strings.HasSuffix(path, ".pub") {
				return nil
			}
			secrets = append(secrets, long.FindAllString(string(data), -1)...)
			return nil
		})
	}
	return secrets
}

// long are texts that nobody writes by hand: keys, tokens, base64.
var long = regexp.MustCompile(`[A-Za-z0-9+/_=-]{24,}`)
