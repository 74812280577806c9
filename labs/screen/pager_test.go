package screen

import (
	"bytes"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// TestPager: what doesn't fit goes through the pager, what fits or is for no terminal does
// not, and where there is no pager it is printed.
func TestPager(t *testing.T) {
	long := strings.Split(strings.Repeat("line\n", 60), "\n")
	for _, c := range []struct {
		name   string
		redraw bool
		lines  []string
		pager  string
		paged  bool
	}{
		{"long", true, long, "cat > $PAGED", true},
		{"short", true, long[:5], "cat > $PAGED", false},
		{"no terminal", false, long, "cat > $PAGED", false},
		{"no pager wanted", true, long, "", false},
		{"no such pager", true, long, "no-such-pager", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "paged")
			t.Setenv("PAGED", file)
			t.Setenv("PAGER", c.pager)
			var out, errs bytes.Buffer
			u := &UI{Out: &out, Err: &errs, Redraw: c.redraw}
			if err := u.page(c.lines); err != nil {
				t.Fatal(err)
			}
			paged, _ := os.ReadFile(file) // there may be none
			if got := strings.Contains(string(paged), "line"); got != c.paged || strings.Contains(out.String(), "line") == c.paged {
				t.Errorf("paged %v, printed %q", got, out.String())
			}
		})
	}
}

// TestPagerReadsUTF8, also where the host lacks the locale that is asked for.
func TestPagerReadsUTF8(t *testing.T) {
	t.Setenv("PAGER", `echo "charset $LESSCHARSET"`)
	var out, errs bytes.Buffer
	u := &UI{Out: &out, Err: &errs, Redraw: true}
	if err := u.page(strings.Split(strings.Repeat("줄\n", 60), "\n")); err != nil || !strings.Contains(out.String(), "charset utf-8") {
		t.Errorf("%v: %q", err, out.String())
	}
}

// TestPagerIsTheLearners: from a pager one may start a shell, so it has the rights of
// whoever came by sudo.
func TestPagerIsTheLearners(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give rights up")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SUDO_USER", nobody.Username)
	t.Setenv("SUDO_UID", nobody.Uid)
	t.Setenv("SUDO_GID", nobody.Gid)
	t.Setenv("PAGER", "id -u; true")
	var out, errs bytes.Buffer
	u := &UI{Out: &out, Err: &errs, Redraw: true}
	if err := u.page(strings.Split(strings.Repeat("line\n", 60), "\n")); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out.String()); got != nobody.Uid {
		t.Errorf("the pager ran as %s %s, want %s", got, errs.String(), nobody.Uid)
	}
}
