package images

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"noriter.dev/noriter/internal/ambient"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/distro"
	"noriter.dev/noriter/provision/image"
)

// The Debian release is the nodes' own. A fetched set of files stays until its
// file is removed, so that a testbed can be made again offline.
//
// One program comes from the release before: nginx, so that there are two
// versions of something that everybody knows to roll between.
const (
	suite    = "trixie"
	packages = "busybox-static,nginx,bash,curl,bind9-dnsutils"
	oldSuite = "bookworm"
	// oldNginx is where the older nginx lies among the kept files. It runs
	// with this release's libraries, which serve programs of the last one too.
	oldNginx = "old/usr/sbin/nginx"
	// fetchTime is how long mmdebstrap may take; it needs seconds on a usual line.
	fetchTime = 10 * time.Minute
	// fetchVersion is raised when other files are wanted of the packages.
	fetchVersion = "4"
)

// fetch returns those files of a suite's packages that keep wants. The variant
// "extract" unpacks without running anything, so host and suite need not match.
func fetch(ctx context.Context, o Options, suite, packages string, keep func(path string) bool) (*tree, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	options, sources, err := image.HostApt(ctx, suite)
	if err != nil {
		return nil, err
	}
	args := []string{"--variant=extract", "--format=tar", "--include=" + packages}
	for _, option := range options {
		args = append(args, "--aptopt="+option)
	}
	args = append(args, suite, "-")
	if o.Mirror != "" {
		sources = []string{o.Mirror}
	}
	args = append(args, sources...)
	cmd := exec.CommandContext(ctx, "mmdebstrap", args...)
	cmd.Env = append(ambient.Outgoing(), "LC_ALL=C.UTF-8")
	cmd.WaitDelay = 10 * time.Second
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err = cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, lang.Errorf("mmdebstrap is not installed (%s): %w", "mmdebstrap이 설치되어 있지 않습니다 (%s): %w", distro.Remedy("mmdebstrap"), err)
	}
	if err != nil {
		return nil, lang.Errorf("fetching Debian packages (%s) with mmdebstrap: %w\n%s", "mmdebstrap으로 데비안 패키지(%s) 받기: %w\n%s", packages, err, tail(log.String(), 15))
	}
	t, err := readTree(&out, keep)
	if err != nil {
		return nil, lang.Errorf("unpacking Debian's packages: %w", "데비안 패키지 풀기: %w", err)
	}
	return t, nil
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
	case p == "usr/bin/bash", p == "usr/bin/curl", p == "usr/bin/dig":
		return true
	case documents(p):
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
		return "", lang.Errorf("no version found in Debian's %s (looked for %s)", "데비안의 %s에서 버전을 찾지 못했습니다 (찾으려던 것: %s)", name, pattern)
	}
	return string(m[1]), nil
}
