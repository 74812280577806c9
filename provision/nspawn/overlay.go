package nspawn

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/mountinfo"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/provision/machine"
)

// overlaySource is what mounts of ours are called in the list of all.
const overlaySource = "noriter"

// mountRoot lays the machine's own folder over the image.
func (m *node) mountRoot(n record) error {
	mounted, err := mountinfo.Under(m.root())
	if err != nil || len(mounted) > 0 {
		return err
	}
	lower := make([]string, 0, len(n.Layers)+1)
	for _, l := range n.Layers {
		lower = append(lower, escapeOption(m.p.layerDir(l)))
	}
	image, err := m.imageFor(n.Users)
	if err != nil {
		return err
	}
	lower = append(lower, escapeOption(image))
	// Whatever the kernel's defaults: a layer must be readable without the
	// others' help, as snapshots copy and stack them.
	options := "lowerdir=" + strings.Join(lower, ":") + ",upperdir=" + escapeOption(m.upper()) +
		",workdir=" + escapeOption(m.work()) + ",index=off,redirect_dir=off,metacopy=off"
	if len(options) >= os.Getpagesize() {
		return lang.Errorf("mounting the root: the paths of its layers are too long (%d bytes)",
			"루트 마운트: 레이어의 경로가 너무 깁니다(%d바이트)", len(options))
	}
	err = unix.Mount(overlaySource, m.root(), "overlay", 0, options)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENODEV) {
		return &machine.HostError{
			What: lang.Textf("no overlay can be mounted on %s", "%s에 오버레이를 마운트할 수 없습니다", m.dir).String(),
			Remedy: lang.T("load the module overlay, and keep testbeds on ext4, xfs or btrfs",
				"overlay 모듈을 적재하고, 테스트베드를 ext4, xfs, btrfs 가운데 하나에 두세요"),
			Err: err,
		}
	}
	if err != nil {
		return lang.Errorf("mounting the root: %w", "루트 마운트: %w", err)
	}
	return nil
}

// imageFor is where the image is seen with the owners that a machine's users need.
func (m *node) imageFor(users int) (string, error) {
	if users == 0 {
		return m.p.image, nil
	}
	view := m.imageView()
	err := os.MkdirAll(view, 0o700)
	if err == nil {
		err = mountShifted(users, m.p.image, view)
	}
	if err != nil {
		return "", &machine.HostError{
			What: lang.T("this host can't give the machine the users that it was made with", "이 호스트에서는 머신을 만들 때의 사용자를 줄 수 없습니다"),
			Remedy: lang.T("nori doctor   # and boot the kernel of before, or make the testbed anew",
				"nori doctor   # 그리고 이전 커널로 부팅하거나 테스트베드를 새로 만드세요"),
			Err: err,
		}
	}
	return view, nil
}

// escapeOption guards what overlayfs takes for separators in its options.
func escapeOption(s string) string {
	return strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`).Replace(s)
}

// unmountRoot takes all mounts of the machine away.
func (m *node) unmountRoot(ctx context.Context) error {
	mounted, err := mountinfo.Under(m.dir)
	if err != nil {
		return err
	}
	// systemd-nspawn keeps a mount of its own for each machine it runs.
	for _, dir := range m.runtimeDirs() {
		more, err := mountinfo.Under(dir)
		if err != nil {
			return err
		}
		mounted = append(mounted, more...)
	}
	slices.Reverse(mounted)
	for _, target := range mounted {
		if err := unmount(ctx, target); err != nil {
			return lang.Errorf("unmounting %s: %w", "%s 마운트 해제: %w", target, err)
		}
	}
	return nil
}

// uncover takes away what somebody has mounted over the machine's folder: below it is
// the machine, which could neither be started nor moved.
func (m *node) uncover(ctx context.Context) error {
	mounted, err := mountinfo.Under(m.dir)
	if err != nil {
		return err
	}
	for _, target := range mounted {
		if target != m.dir {
			continue
		}
		if err := unmount(ctx, target); err != nil {
			return lang.Errorf("unmounting %s: %w", "%s 마운트 해제: %w", target, err)
		}
	}
	return nil
}

// unmountPatience is how long the last user of a mount may take to leave it.
const unmountPatience = 200 * time.Millisecond

// unmount waits a little for the last user, then detaches.
func unmount(ctx context.Context, target string) error {
	what := lang.Textf("the last user of %s to leave it", "%s을(를) 쓰는 프로세스가 없어지기", target)
	done, err := wait.Within(ctx, unmountPatience, 10*time.Millisecond, what, func(context.Context) (bool, string, error) {
		err := unix.Unmount(target, unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EBUSY) {
			return false, err.Error(), nil
		}
		return err == nil, "", err
	})
	if done || err != nil {
		return err
	}
	return unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
}
