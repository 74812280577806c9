// Package mountinfo tells what is mounted where in this process's mount
// namespace, as the kernel says it in /proc/self/mountinfo.
package mountinfo

import (
	"os"
	"strconv"
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// Under lists the mount points at a folder and below it, in the order of mounting.
func Under(dir string) ([]string, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, lang.Errorf("reading the mounts: %w", "마운트 목록 읽기: %w", err)
	}
	return under(dir, string(b)), nil
}

func under(dir, mountinfo string) []string {
	var found []string
	for line := range strings.Lines(mountinfo) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		if p := Unescape(f[4]); p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/") {
			found = append(found, p)
		}
	}
	return found
}

// Unescape undoes the octal escapes of proc_pid_mountinfo(5).
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
