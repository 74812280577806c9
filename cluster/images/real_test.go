package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/vishvananda/netns"
)

// cacheDir is where `nori` keeps what it fetched; NORITER_CACHE moves it.
func cacheDir() string {
	if dir := os.Getenv("NORITER_CACHE"); dir != "" {
		return dir
	}
	return "/var/lib/noriter/cache"
}

// realInputs loads Debian's files from the cache; a test must not fetch them.
func realInputs(t *testing.T) *inputs {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(cacheDir(), "images", "debian-"+suite+"-*.tar"))
	if err != nil || len(found) == 0 {
		t.Skip("Debian's packages are not in the cache; `nori up` or NORITER_CACHE brings them")
	}
	slices.SortFunc(found, func(a, b string) int { return changed(a).Compare(changed(b)) })
	f, err := os.Open(found[len(found)-1])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	debian, err := readTree(f, keepAll)
	if err != nil {
		t.Fatal(err)
	}
	debian.mergeUsr()
	if _, _, err := debian.resolve(oldNginx); err != nil {
		t.Skip("the cache holds an older set of Debian's packages; `nori up` brings the new one")
	}
	return &inputs{debian: debian, programs: map[string][]byte{
		"pause": []byte("p"), "coredns": []byte("c"), "hello": []byte("h"), "nori-ingress": []byte("i"), foreignProgram: []byte("f"),
	}}
}

// changed is when a file was last written; the zero time if it is gone.
func changed(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func TestRealImagesAreReproducibleAndComplete(t *testing.T) {
	in := realInputs(t)
	first, err := bake(in)
	if err != nil {
		t.Fatal(err)
	}
	second, err := bake(in)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]v1.Image{}
	for i := range first {
		a, err1 := first[i].image.Digest()
		b, err2 := second[i].image.Digest()
		if err := errors.Join(err1, err2); err != nil || a != b {
			t.Errorf("%s: two builds gave %s and %s (%v)", first[i].refs[0], a, b, err)
		}
		for _, ref := range first[i].refs {
			have[ref] = first[i].image
		}
	}
	for _, ref := range []string{PauseRef, CoreDNSRef, IngressRef, HelloRef, HelloV2Ref, HelloV3Ref, ToolboxRef, BusyboxRef, "busybox", NginxRef, NginxOldRef, "nginx"} {
		if have[Full(ref)] == nil {
			t.Errorf("no image is called %s", Full(ref))
		}
	}
	config, err := have[Full(NginxRef)].ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.StopSignal != "SIGQUIT" || strings.Join(config.Config.Cmd, " ") != "nginx -g daemon off;" || config.Architecture != runtime.GOARCH {
		t.Errorf("nginx is configured as %+v", config)
	}
}

// TestNginxServes runs each image's root, unpacked, in a network namespace of its own.
func TestNginxServes(t *testing.T) {
	needRoot(t)
	in := realInputs(t)
	pages := map[string]string{}
	for _, ref := range []string{NginxRef, NginxOldRef} {
		pages[ref] = serve(t, unpack(t, in, ref))
		_, version, _ := cutTag(ref)
		if !strings.Contains(pages[ref], "Welcome to nginx!") || !strings.Contains(pages[ref], "version <b>"+version+".") ||
			!strings.Contains(pages[ref], "Server: nginx/"+version) {
			t.Errorf("the page of %s is:\n%s", ref, pages[ref])
		}
	}
	if color := "background: " + colorGreen; !strings.Contains(pages[NginxRef], color) || strings.Contains(pages[NginxOldRef], color) {
		t.Error("the two versions look the same")
	}
}

// serve returns nginx's first page.
func serve(t *testing.T, root string) string {
	t.Helper()
	leave := enterNetns(t)
	defer leave()
	var output bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := within(ctx, root, "exec nginx -g 'daemon off;'", &output)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	page, err := fetchPage(ctx)
	if err := errors.Join(cmd.Process.Signal(syscall.SIGQUIT), cmd.Wait()); err != nil {
		t.Errorf("stopping nginx: %v", err)
	}
	if err != nil {
		t.Fatalf("%v\nnginx said:\n%s", err, output.String())
	}
	if !strings.Contains(output.String(), `"GET / HTTP/1.1" 200`) {
		t.Errorf("no access log on the output:\n%s", output.String())
	}
	return page
}

// within is a command of the shell that an unpacked image has.
func within(ctx context.Context, root, script string, output io.Writer) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", script)
	cmd.Env = []string{defaultPath}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Pdeathsig: syscall.SIGTERM}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = output, output
	return cmd
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root")
	}
	t.Skip("needs root")
}

func TestToolboxRuns(t *testing.T) {
	needRoot(t)
	root := unpack(t, realInputs(t), ToolboxRef)
	var output bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := within(ctx, root, "bash -c 'echo bash $BASH_VERSION' && curl --version && dig -v && wget --help", &output).Run(); err != nil {
		t.Fatalf("%v\n%s", err, output.String())
	}
	for _, want := range []string{"bash 5.", "curl 8.", "DiG 9."} {
		if !strings.Contains(output.String(), want) {
			t.Errorf("no %q in:\n%s", want, output.String())
		}
	}
}

// fetchPage dials from the calling thread, which is in the namespace; the
// standard client would dial from another.
func fetchPage(ctx context.Context) (string, error) {
	var last error
	for ctx.Err() == nil {
		page, err := getOnce()
		if err == nil {
			return page, nil
		}
		last = err
		time.Sleep(20 * time.Millisecond)
	}
	return "", fmt.Errorf("nginx did not answer in time: %w", last)
}

func getOnce() (string, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return "", err
	}
	f := os.NewFile(uintptr(fd), "nginx")
	defer f.Close()
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: 80, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", err
	}
	if _, err := io.WriteString(f, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(f)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(string(answer), fmt.Sprintf("HTTP/1.1 %d", http.StatusOK)) {
		return "", fmt.Errorf("nginx answered %q", answer)
	}
	return string(answer), nil
}

// enterNetns moves the test's thread into a new network namespace with its loopback up.
func enterNetns(t *testing.T) (leave func()) {
	t.Helper()
	runtime.LockOSThread()
	before, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	mine, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return func() {
		if err := errors.Join(netns.Set(before), mine.Close(), before.Close()); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	}
}

// unpack writes an image's files to a folder that a process can have as its root.
func unpack(t *testing.T, in *inputs, ref string) string {
	t.Helper()
	images, err := bake(in)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, image := range images {
		if image.refs[0] != Full(ref) {
			continue
		}
		r := mutate.Extract(image.image)
		cmd := exec.Command("tar", "-x", "-C", root)
		cmd.Stdin = r
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		r.Close()
	}
	for _, dir := range []string{"proc", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	null := filepath.Join(root, "dev/null")
	if err := errors.Join(
		syscall.Mknod(null, syscall.S_IFCHR|0o666, 1<<8|3), os.Chmod(null, 0o666),
		os.Symlink("/proc/self/fd/1", filepath.Join(root, "dev/stdout")),
		os.Symlink("/proc/self/fd/2", filepath.Join(root, "dev/stderr")),
		syscall.Mount("proc", filepath.Join(root, "proc"), "proc", 0, ""),
	); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(filepath.Join(root, "proc"), syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return root
}

func TestCoreDNSVersionIsTheLibrarys(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "github.com/coredns/coredns v"+CoreDNSVersion+"\n") {
		info, _ := debug.ReadBuildInfo()
		t.Errorf("CoreDNSVersion is %s; go.mod has another (built with %s)", CoreDNSVersion, info.GoVersion)
	}
}
