package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRestartIfChanged runs the script against a systemctl that fails as often
// as it is told to.
func TestRestartIfChanged(t *testing.T) {
	for _, c := range []struct {
		name     string
		failures string
		before   string // the stamp left by an earlier start
		calls    string
		stamp    string // the one left behind; empty is a failed script
	}{
		{"at once", "0", "", "restart", "new"},
		{"runs from the same", "0", "new", "start", "new"},
		{"ended once and came back", "1", "old", "restart start", "new"},
		{"never starts", "9", "old", "restart start start", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			put := func(name, text string) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			put("left", c.failures)
			put("systemctl", `#!/bin/sh
echo "$1" >> $D/calls
n=$(cat $D/left)
[ "$n" -gt 0 ] || exit 0
echo $((n - 1)) > $D/left
exit 1
`)
			put("journalctl", "#!/bin/sh\necho last words\n")
			put("sleep", "#!/bin/sh\n")
			if c.before != "" {
				put("some-unit", c.before)
			}
			script := strings.ReplaceAll(restartIfChanged("some-unit", "new"), stampDir, dir)
			cmd := exec.Command("sh", "-ec", script)
			cmd.Env = []string{"D=" + dir, "PATH=" + dir + ":" + os.Getenv("PATH")}
			out, err := cmd.CombinedOutput()
			if (err == nil) != (c.stamp != "") {
				t.Errorf("the script ended with %v: %s", err, out)
			}
			if err != nil && !strings.Contains(string(out), "last words") {
				t.Errorf("the script failed and did not show what the unit said: %s", out)
			}
			calls, err := os.ReadFile(filepath.Join(dir, "calls"))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(strings.Fields(string(calls)), " "); got != c.calls {
				t.Errorf("systemctl was called with %q, not %q", got, c.calls)
			}
			stamp, _ := os.ReadFile(filepath.Join(dir, "some-unit"))
			if got := strings.TrimSpace(string(stamp)); c.stamp != "" && got != c.stamp || c.stamp == "" && got == "new" {
				t.Errorf("the stamp is %q", got)
			}
		})
	}
}
