package ingress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Limits on nginx.
const (
	// testTime is how long `nginx -t` may take.
	testTime = 20 * time.Second
	// reloadTime is how long new workers may take to answer after a reload.
	reloadTime = 10 * time.Second
	// reloadPoll is the pause between two looks for them.
	reloadPoll = 10 * time.Millisecond
	// drainTime is how long requests under way may take at the end.
	drainTime = 8 * time.Second
)

// nginx is the program with its files.
type nginx struct {
	settings settings
	// argv begins the command line: the program, and what a test puts before it.
	argv    []string
	process *exec.Cmd
	done    chan error // closed, after the process's error, when it has ended
}

func (n *nginx) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append(append([]string{}, n.argv[1:]...), args...)
	return exec.CommandContext(ctx, n.argv[0], args...)
}

func (n *nginx) configPath() string { return filepath.Join(n.settings.Dir, "nginx.conf") }

// prepare makes the folders and the controller's own certificate.
func (n *nginx) prepare(now time.Time) error {
	if err := os.MkdirAll(filepath.Join(n.settings.Dir, "ssl"), 0o700); err != nil {
		return fmt.Errorf("making nginx's folder: %w", err)
	}
	own := n.settings.certificatePath(ownCertificate)
	if _, err := os.Stat(own); err == nil {
		return nil // this container was restarted
	}
	content, err := selfSigned(now)
	if err != nil {
		return err
	}
	return writeFile(own, content, 0o600)
}

// refusedError says that nginx found a configuration wrong.
type refusedError struct {
	// Output is what nginx printed.
	Output string
	Err    error
}

// frame goes around the message, as ingress-nginx has it.
const frame = "-------------------------------------------------------------------------------"

func (e *refusedError) Error() string {
	return fmt.Sprintf("\n%s\nError: %v\n%s\n%s\n", frame, e.Err, e.Output, frame)
}

func (e *refusedError) Unwrap() error { return e.Err }

// test asks nginx whether it would take this configuration. That it would not
// is a refusedError. The certificates have to be there for the test, because nginx reads
// them.
func (n *nginx) test(ctx context.Context, text []byte, certificates []certificate) error {
	for _, c := range certificates {
		if err := writeFile(n.settings.certificatePath(c.Name), c.PEM, 0o600); err != nil {
			return err
		}
	}
	path := filepath.Join(n.settings.Dir, "nginx-cfg-test")
	if err := writeFile(path, text, 0o600); err != nil {
		return err
	}
	defer os.Remove(path)
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	out, err := n.command(ctx, "-t", "-q", "-c", path).CombinedOutput()
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || ctx.Err() != nil {
		return fmt.Errorf("running nginx -t: %w", err)
	}
	return &refusedError{Output: stamps.ReplaceAllString(strings.TrimSpace(string(out)), "nginx: $1 "), Err: err}
}

// stamps are the times and process numbers before what nginx says.
var stamps = regexp.MustCompile(`(?m)^[0-9/]+ [0-9:]+ (\[[a-z]+\]) [0-9#]+: `)

// apply makes a configuration that was tested the one at work, and returns when
// new workers answer with it.
func (n *nginx) apply(ctx context.Context, text []byte, sum string, certificates []certificate) error {
	if err := writeFile(n.configPath(), text, 0o600); err != nil {
		return err
	}
	before, err := n.accepting()
	if err != nil {
		return err
	}
	if n.process == nil {
		if err := n.start(); err != nil {
			return err
		}
	} else if err := n.process.Process.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("telling nginx to reload: %w", err)
	}
	if err := n.waitUntilServing(ctx, sum, before); err != nil {
		return err
	}
	return n.removeUnusedCertificates(certificates)
}

// start starts nginx for the first time; later configurations are reloads.
func (n *nginx) start() error {
	cmd := n.command(context.Background(), "-c", n.configPath())
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting nginx: %w", err)
	}
	n.process, n.done = cmd, make(chan error, 1)
	go func() {
		n.done <- cmd.Wait()
		close(n.done)
	}()
	return nil
}

// ended is when nginx has ended, whether it was told to or not.
func (n *nginx) ended() <-chan error { return n.done }

// waitUntilServing waits until the workers with this configuration are at work, and those
// before them are not any more. nginx reloads in the background: for a while old workers
// and new ones answer side by side, and whoever was told too early that a change is live
// would still meet an old one.
func (n *nginx) waitUntilServing(ctx context.Context, sum string, before []int) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTime)
	defer cancel()
	for {
		got, last := n.current(ctx)
		if last == nil && got != sum {
			last = fmt.Errorf("it still works with configuration %s", got)
		}
		if last == nil {
			var old []int
			if old, last = n.stillAccepting(before); last == nil && len(old) == 0 {
				return nil
			}
			if last == nil {
				last = fmt.Errorf("workers of before still take connections: %d", old)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for nginx to take up configuration %s: %w (last: %w)", sum, context.Cause(ctx), last)
		case <-time.After(reloadPoll):
		}
	}
}

// current asks a worker for its configuration's sum. Each time by a new connection:
// one that is kept would go to an old worker for ever.
func (n *nginx) current(ctx context.Context) (string, error) {
	url := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(n.settings.StatusPort)) + "/configuration"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	request.Close = true
	answer, err := (&http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1024))
	return string(body), err
}

// removeUnusedCertificates removes certificates that no configuration names any more.
func (n *nginx) removeUnusedCertificates(used []certificate) error {
	keep := map[string]bool{ownCertificate: true}
	for _, c := range used {
		keep[c.Name] = true
	}
	files, err := os.ReadDir(filepath.Join(n.settings.Dir, "ssl"))
	if err != nil {
		return fmt.Errorf("looking for certificates that are not used: %w", err)
	}
	for _, f := range files {
		if keep[f.Name()] {
			continue
		}
		if err := os.Remove(n.settings.certificatePath(f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a certificate that is not used: %w", err)
		}
	}
	return nil
}

// stop lets nginx finish what it is at, for a while.
func (n *nginx) stop() error {
	if n.process == nil {
		return nil
	}
	if err := n.process.Process.Signal(syscall.SIGQUIT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping nginx: %w", err)
	}
	select {
	case err := <-n.done:
		return err
	case <-time.After(drainTime):
	}
	if err := n.process.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping nginx: %w", err)
	}
	return <-n.done
}

// writeFile writes a file that is never seen half.
func writeFile(path string, content []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
