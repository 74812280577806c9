package image

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"noriter.dev/noriter/internal/lang"
)

// module finds a kernel module in the root and gives its content, unpacked.
func module(ctx context.Context, root, version, name string) ([]byte, error) {
	base := filepath.Join(root, "usr/lib/modules", version)
	deps, err := os.ReadFile(filepath.Join(base, "modules.dep"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(deps)) {
		file, _, _ := strings.Cut(line, ":")
		if found, _, _ := strings.Cut(path.Base(file), "."); found != name {
			continue
		}
		return readModule(ctx, root, path.Join("/usr/lib/modules", version, file))
	}
	return nil, lang.Errorf("kernel %s has no module %s", "커널 %s에 모듈 %s이(가) 없습니다", version, name)
}

// readModule gives a module's content; inRoot is its path inside the root.
func readModule(ctx context.Context, root, inRoot string) ([]byte, error) {
	if strings.HasSuffix(inRoot, ".ko") {
		return os.ReadFile(filepath.Join(root, inRoot))
	}
	out, err := inChroot(ctx, root, "/usr/lib/apt/apt-helper", "cat-file", inRoot)
	if err != nil {
		return nil, lang.Errorf("unpacking module %s: %w", "모듈 %s의 압축 풀기: %w", inRoot, err)
	}
	if !bytes.HasPrefix(out, []byte("\x7fELF")) {
		return nil, lang.Errorf("module %s is not an ELF file when unpacked", "압축을 푼 모듈 %s이(가) ELF 파일이 아닙니다", inRoot)
	}
	return out, nil
}

// expandModules unpacks the modules that machines load at every boot.
func expandModules(ctx context.Context, r recipe, root, version string) error {
	base := path.Join("/usr/lib/modules", version)
	deps, err := os.ReadFile(filepath.Join(root, base, "modules.dep"))
	if err != nil {
		return lang.Errorf("unpacking modules: %w", "모듈의 압축 풀기: %w", err)
	}
	for line := range strings.Lines(string(deps)) {
		file, _, _ := strings.Cut(line, ":")
		plain, packed := strings.CutSuffix(file, ".xz")
		wanted := slices.ContainsFunc(r.Expanded, func(p string) bool { return strings.HasPrefix(file, "kernel/"+p) })
		if !packed || !wanted {
			continue
		}
		ko, err := readModule(ctx, root, path.Join(base, file))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, base, plain), ko, 0o644); err != nil {
			return lang.Errorf("unpacking modules: %w", "모듈의 압축 풀기: %w", err)
		}
		if err := os.Remove(filepath.Join(root, base, file)); err != nil {
			return lang.Errorf("unpacking modules: %w", "모듈의 압축 풀기: %w", err)
		}
	}
	if _, err := inChroot(ctx, root, "/usr/sbin/depmod", version); err != nil {
		return lang.Errorf("listing the unpacked modules: %w", "압축을 푼 모듈의 목록 만들기: %w", err)
	}
	return nil
}

// inChroot runs a program of the root in it: the host need not have its like.
func inChroot(ctx context.Context, root, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	cmd.Dir = "/"
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return nil, lang.Errorf("%s in the image's root: %w\n%s", "이미지의 루트에서 %s 실행: %w\n%s", path.Base(name), err, tail(stderr.String(), 5))
	}
	return out.Bytes(), nil
}
