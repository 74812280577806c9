package image

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/seal"
)

// keyFiles must be in a root that machines can boot from.
var keyFiles = []string{
	"usr/lib/systemd/systemd", "usr/sbin/sshd", "usr/bin/containerd", "usr/sbin/runc", "usr/lib/cni/bridge",
	"usr/sbin/nft", "usr/sbin/conntrack", "usr/bin/zstd", "usr/sbin/ip", "etc/ssh/sshd_config", emptyFile,
	"etc/systemd/system/ssh.service",
}

// emptyFile is the one that is to be: each machine gets an ID of its own.
const emptyFile = "etc/machine-id"

// checkRoot says what a root lacks.
func checkRoot(root string) error {
	for _, f := range keyFiles {
		fi, err := os.Lstat(filepath.Join(root, f))
		if err != nil {
			return lang.Errorf("checking the image's root: %w", "이미지의 루트 확인: %w", err)
		}
		if fi.Mode().IsRegular() && fi.Size() == 0 && f != emptyFile {
			return seal.New(filepath.Join("root", f), "%s is empty", "%s이(가) 비어 있습니다", nil)
		}
	}
	keys, err := filepath.Glob(filepath.Join(root, "etc/ssh/ssh_host_*"))
	if err != nil {
		return lang.Errorf("checking the image's root: %w", "이미지의 루트 확인: %w", err)
	}
	if len(keys) > 0 {
		return lang.Errorf("the image's root holds SSH host keys, which all machines would share: %v",
			"이미지의 루트에 SSH 호스트 키가 있어서 모든 머신이 같은 키를 쓰게 됩니다: %v", keys)
	}
	_, err = installedPackages(root)
	return err
}

// installedPackages reads dpkg's records: "name version" of each package. One
// that is not wholly installed is an error.
func installedPackages(root string) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(root, "var/lib/dpkg/status"))
	if err != nil {
		return nil, lang.Errorf("reading the image's packages: %w", "이미지의 패키지 목록 읽기: %w", err)
	}
	var list []string
	for stanza := range strings.SplitSeq(string(b), "\n\n") {
		fields := map[string]string{}
		for line := range strings.Lines(stanza) {
			if k, v, ok := strings.Cut(line, ": "); ok && k != "" && k[0] != ' ' {
				fields[k] = strings.TrimSpace(v)
			}
		}
		if fields["Package"] == "" {
			continue
		}
		if s := fields["Status"]; s != "install ok installed" {
			return nil, lang.Errorf("package %s of the image is %q, not installed",
				"이미지의 패키지 %s이(가) 설치된 상태가 아니라 %q 상태입니다", fields["Package"], s)
		}
		list = append(list, fields["Package"]+" "+fields["Version"])
	}
	if len(list) == 0 {
		return nil, lang.Errorf("the image's root has no packages", "이미지의 루트에 패키지가 없습니다")
	}
	slices.Sort(list)
	return list, nil
}

// kernelVersion gives the one kernel whose modules the root has.
func kernelVersion(root string) (string, error) {
	dirs, err := filepath.Glob(filepath.Join(root, "usr/lib/modules/*"))
	if err != nil {
		return "", lang.Errorf("looking for the image's kernel: %w", "이미지의 커널 찾기: %w", err)
	}
	if len(dirs) != 1 {
		return "", lang.Errorf("the image has %d kernels, not one: %v", "이미지의 커널이 하나가 아니라 %d개입니다: %v", len(dirs), dirs)
	}
	return filepath.Base(dirs[0]), nil
}
