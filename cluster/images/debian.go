package images

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// The Debian release is the nodes' own. A fetched set of files stays until its
// file is removed, so that a testbed can be made again offline.
const (
	suite    = "trixie"
	packages = "busybox-static,nginx"
	// fetchTime is how long mmdebstrap may take; it needs seconds on a usual line.
	fetchTime = 10 * time.Minute
)

// debianFiles returns the path of an archive of those files of Debian's
// packages that the recipes look at, fetching them if needed.
func debianFiles(ctx context.Context, o Options) (string, error) {
	key := sha256.Sum256([]byte(recipeVersion + suite + packages + o.Mirror))
	target := filepath.Join(o.CacheDir, "images", fmt.Sprintf("debian-%s-%x.tar", suite, key[:4]))
	if _, err := os.Stat(target); err == nil {
		return target, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return "", err
	}
	o.Progress("fetching Debian packages for container images")
	raw, err := fetch(ctx, o)
	if err != nil {
		return "", err
	}
	t, err := readTree(bytes.NewReader(raw), wanted)
	if err != nil {
		return "", fmt.Errorf("unpacking Debian's packages: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(target), ".fetching-")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := t.tar(f); err != nil {
		return "", err
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), os.Rename(f.Name(), target)); err != nil {
		return "", fmt.Errorf("keeping Debian's files for next time: %w", err)
	}
	return target, nil
}

// fetch returns the packages unpacked, as an archive. The variant "extract"
// unpacks without running anything, so host and suite need not match.
func fetch(ctx context.Context, o Options) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	args := []string{"--variant=extract", "--format=tar", "--include=" + packages, suite, "-"}
	if o.Mirror != "" {
		args = append(args, o.Mirror)
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", args...)
	cmd.WaitDelay = 10 * time.Second
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("mmdebstrap is not installed (apt-get install mmdebstrap): %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("fetching Debian packages (%s) with mmdebstrap: %w\n%s", packages, err, tail(log.String(), 15))
	}
	return out.Bytes(), nil
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// wanted leaves out what no recipe looks at, most of it documentation.
func wanted(p string) bool {
	switch {
	case p == "bin" || p == "sbin" || p == "lib" || p == "lib64":
		return true // links of a merged /usr
	case strings.HasPrefix(p, "etc/nginx/"), strings.HasPrefix(p, "usr/share/nginx/html/"):
		return true
	case p == "usr/bin/busybox", p == "usr/sbin/nginx":
		return true
	}
	for _, dir := range []string{"lib/", "lib64/", "usr/lib/", "usr/lib64/"} {
		if strings.HasPrefix(p, dir) && strings.Contains(filepath.Base(p), ".so") {
			return true
		}
	}
	return false
}

// mergeUsr adds the links /bin -> usr/bin and so on that every Debian root has. They belong
// to a package that is not fetched, and a program's interpreter is named through them.
func (t *tree) mergeUsr() {
	for _, dir := range []string{"bin", "lib", "lib64", "sbin"} {
		if _, there := t.files[dir]; !there {
			t.symlink(dir, "usr/"+dir)
		}
	}
}

var (
	busyboxVersion = regexp.MustCompile(`BusyBox v(\d+\.\d+\.\d+)`)
	nginxVersion   = regexp.MustCompile(`nginx/(\d+\.\d+\.\d+)`)
)

// versionIn finds the version that a program carries in its text.
func versionIn(program []byte, name string, pattern *regexp.Regexp) (string, error) {
	m := pattern.FindSubmatch(program)
	if m == nil {
		return "", fmt.Errorf("no version found in Debian's %s (looked for %s)", name, pattern)
	}
	return string(m[1]), nil
}
