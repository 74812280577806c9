package image

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"noriter.dev/noriter/internal/ambient"
	"noriter.dev/noriter/internal/lang"
)

// debootstrap makes the root, kernel and initrd in the folder work. The
// packages come from Debian by mmdebstrap, which verifies their signatures.
func debootstrap(ctx context.Context, r recipe, work string, say func(string)) error {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return missing("mmdebstrap", err)
	}
	root := filepath.Join(work, "root")
	options, sources, err := HostApt(ctx, r.Suite)
	if err != nil {
		return err
	}
	say(lang.Textf("fetching and unpacking Debian's packages (%s)", "데비안 패키지를 받아서 푸는 중 (%s)", r.Suite).String())
	args := append(mmdebstrapArgs(r, options), r.Suite, root)
	if err := runMmdebstrap(ctx, append(args, sources...), say); err != nil {
		return err
	}
	say(lang.T("finishing the node image", "노드 이미지를 마무리하는 중"))
	if err := finishRoot(r, root); err != nil {
		return err
	}
	return makeBootFiles(ctx, r, root, work)
}

// aptOptions are kept in the root, with the host's proxies.
var aptOptions = []string{`Acquire::Languages "none"`, `APT::Install-Recommends "false"`, `Acquire::Retries "3"`}

func mmdebstrapArgs(r recipe, proxies []string) []string {
	args := []string{
		"--variant=minbase", "--mode=root", "--format=directory", "--components=main",
		"--include=" + strings.Join(r.Packages, ","),
		// The build is thrown away if it is interrupted; a sync per file is waste.
		"--dpkgopt=force-unsafe-io",
	}
	for _, p := range []string{"doc", "man", "info", "locale", "lintian", "bash-completion", "vim"} {
		args = append(args, "--dpkgopt=path-exclude=/usr/share/"+p+"/*")
	}
	// What a license obliges us to pass on stays.
	args = append(args, "--dpkgopt=path-include=/usr/share/doc/*/copyright")
	for _, o := range slices.Concat(aptOptions, proxies) {
		args = append(args, "--aptopt="+o)
	}
	return args
}

// inNamespace runs a command where its mounts and its processes are its own,
// so that nothing of them outlives it, however it ends.
const inNamespace = `mount --make-rprivate / && mount -t proc proc /proc && exec "$@"`

func runMmdebstrap(ctx context.Context, args []string, say func(string)) error {
	// The kernel watches over the thread that starts a process, not over the
	// program: if this one is killed, so is mmdebstrap with all it started.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", inNamespace, "sh", "mmdebstrap"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	// INITRD=No: the kernel package makes no initrd; ours has a hundredth of it.
	// SOURCE_DATE_EPOCH: what maintainers' scripts write down as today.
	cmd.Env = append(ambient.Outgoing(), "INITRD=No", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8",
		fmt.Sprintf("SOURCE_DATE_EPOCH=%d", epoch.Unix()))
	cmd.WaitDelay = 10 * time.Second
	cmd.Stdout = io.Discard
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return lang.Errorf("starting mmdebstrap: %w", "mmdebstrap 시작: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return lang.Errorf("starting mmdebstrap: %w", "mmdebstrap 시작: %w", err)
	}
	printed := relay(stderr, say)
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return lang.Errorf("mmdebstrap was interrupted: %w", "mmdebstrap이 중단됨: %w", ctx.Err())
		}
		return fmt.Errorf("mmdebstrap: %w\n%s", err, tail(printed, 15))
	}
	return nil
}

// relay passes mmdebstrap's own steps ("I: …") on and keeps the rest.
func relay(r io.Reader, say func(string)) string {
	var kept strings.Builder
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		if step, ok := strings.CutPrefix(sc.Text(), "I: "); ok && strings.HasSuffix(step, "...") {
			say("mmdebstrap: " + strings.TrimSuffix(step, "..."))
		}
		kept.WriteString(sc.Text() + "\n")
	}
	if err := sc.Err(); err != nil {
		kept.WriteString(lang.T("reading its output: ", "출력 읽기: ") + err.Error() + "\n")
		_, _ = io.Copy(io.Discard, r) // or it would block on a full pipe
	}
	return kept.String()
}

// HostApt is how this host's own apt reaches Debian: the options with its proxies,
// and the lines of its mirror for a suite, none where mmdebstrap's default has to do.
// Whatever fetches Debian's packages goes the same way.
func HostApt(ctx context.Context, suite string) (options, sources []string, err error) {
	sources, err = hostSources("/etc", suite)
	return aptProxies(ctx), sources, err
}

// aptProxies gives the host's own proxy settings for apt, as apt options:
// mmdebstrap starts from an empty configuration.
func aptProxies(ctx context.Context) []string {
	out, err := exec.CommandContext(ctx, "apt-config", "dump", "Acquire").Output()
	if err != nil {
		return nil // no apt here, so no setting either
	}
	var opts []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(strings.TrimSuffix(line, ";"), " ")
		if ok && value != `""` && strings.Contains(strings.ToLower(key), "::proxy") && strings.HasPrefix(key, "Acquire::http") {
			opts = append(opts, key+" "+value)
		}
	}
	return opts
}
