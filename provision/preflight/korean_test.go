package preflight_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/lang"
	. "noriter.dev/noriter/provision/preflight"
)

var (
	hangul = regexp.MustCompile(`\p{Hangul}`)
	// comment is what a remedy says behind its command.
	comment = regexp.MustCompile(`\s#\s.*`)
	phrase  = regexp.MustCompile(`[a-z]+ [a-z]+ [a-z]+`)
)

// TestKorean: what a check saw, and what its remedy says behind the command, is in the
// learner's language: no three English words in a row.
func TestKorean(t *testing.T) {
	defer lang.Set(lang.English)
	lang.Set(lang.Korean)
	for name, spoil := range spoiled {
		t.Run(name, func(t *testing.T) {
			h, o := goodHost(t), options()
			h.virtual.KVM = func(context.Context) (bool, lang.Text) {
				return true, lang.Text{EN: "a guest ran", KO: "게스트가 실행됐습니다"}
			}
			spoil(t, &h, &o)
			for _, driver := range []string{"auto", "libvirt", "nspawn"} {
				o.Drivers = h.drivers(driver)
				for _, c := range all(o, h) {
					r := c.Run(t.Context())
					seen, said := r.Seen.String(), comment.FindString(r.Remedy)
					for _, text := range []string{strings.ReplaceAll(seen, "no such file or directory", ""), said} { // the kernel's words are English
						if phrase.MatchString(text) {
							t.Errorf("%s, %s: English for somebody who reads Korean: %s", driver, c.ID, text)
						}
					}
					if r.Status != OK && !hangul.MatchString(seen) {
						t.Errorf("%s, %s: no Korean in %q", driver, c.ID, seen)
					}
					if said != "" && !hangul.MatchString(said) {
						t.Errorf("%s, %s: no Korean in the remedy's words %q", driver, c.ID, strings.TrimSpace(said))
					}
				}
			}
		})
	}
}

// spoiled are hosts on which as much as can be is wrong at once.
var spoiled = map[string]func(t *testing.T, h *host, o *Options){
	"good": func(*testing.T, *host, *Options) {},
	"bare": func(t *testing.T, h *host, _ *Options) {
		h.Look = func(p string) (string, error) { return "", errNothing }
		h.CPUs = func() int { return 1 }
		for _, f := range []string{"run/systemd", "sys", "proc", "etc"} {
			h.remove(t, f)
		}
	},
	"small and old": func(t *testing.T, h *host, o *Options) {
		h.put(t, "proc/meminfo", "MemAvailable: 2000000 kB\n")
		h.put(t, "proc/sys/kernel/osrelease", "4.19.0\n")
		h.put(t, "proc/self/status", "CapEff:\t0\n")
		h.put(t, "sys/fs/selinux/enforce", "1")
		h.put(t, "run/netns/nori-demo", "")
		h.Free = func(string) (uint64, error) { return 1 << 30, nil }
		h.Arch = "arm64"
		o.CPUs = 5
	},
	"not root": func(t *testing.T, h *host, o *Options) {
		h.EUID = 1000
		h.put(t, "proc/filesystems", "ext4\n")
		h.put(t, "proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")
	},
	"WSL": func(t *testing.T, h *host, _ *Options) {
		h.put(t, "proc/sys/kernel/osrelease", "5.15.90.1-microsoft-standard-WSL2\n")
		h.put(t, "etc/os-release", "ID=ubuntu\nVERSION_ID=24.04\n")
	},
	"WSL without systemd": func(t *testing.T, h *host, _ *Options) {
		h.remove(t, "run/systemd")
		h.put(t, "proc/sys/kernel/osrelease", "5.15.90.1-microsoft-standard-WSL2\n")
	},
	"WSL 1": func(t *testing.T, h *host, _ *Options) {
		h.put(t, "proc/sys/kernel/osrelease", "4.4.0-19041-Microsoft\n")
	},
	"container of musl": func(t *testing.T, h *host, _ *Options) {
		h.put(t, "etc/os-release", "ID=alpine\n")
		h.put(t, "lib/ld-musl-x86_64.so.1", "")
		h.put(t, ".dockerenv", "")
		h.put(t, "proc/self/uid_map", "0 100000 65536\n")
	},
}

// errNothing is a program that is not found.
var errNothing = lang.Errorf("not found", "찾지 못했습니다")
