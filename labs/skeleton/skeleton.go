// Package skeleton writes the beginning of a new lab: a small one that is
// complete, so that it can be linted, proven and started at once, and then be
// changed a piece at a time.
package skeleton

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed all:lab
var files embed.FS

// placeholder stands for the lab's id in the files of the skeleton.
const placeholder = "LAB-ID"

var rule = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// ErrName means that a name can't be a lab's id.
var ErrName = errors.New("a lab's name has small letters, digits and single dashes, at most 40")

// Write makes the folder NAME below dir and gives its path. What is there
// already is never written over.
func Write(dir, name string) (string, error) {
	if !rule.MatchString(name) || len(name) > 40 {
		return "", fmt.Errorf("%q: %w", name, ErrName)
	}
	target := filepath.Join(dir, name)
	if err := os.Mkdir(target, 0o755); err != nil {
		return "", fmt.Errorf("making the lab's folder: %w", err)
	}
	return target, fs.WalkDir(files, "lab", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(target, filepath.FromSlash(strings.TrimPrefix(path, "lab")))
		if d.IsDir() {
			if err := os.MkdirAll(to, 0o755); err != nil {
				return fmt.Errorf("making the lab's folder: %w", err)
			}
			return nil
		}
		data, err := fs.ReadFile(files, path)
		if err != nil {
			return fmt.Errorf("reading the skeleton: %w", err)
		}
		text := strings.ReplaceAll(string(data), placeholder, name)
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			return fmt.Errorf("writing the lab: %w", err)
		}
		return nil
	})
}
