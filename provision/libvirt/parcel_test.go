package libvirt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// The parcel is packed only for machines whose QEMU reads this host's files.
func TestParcelIsForThisHost(t *testing.T) {
	file := filepath.Join(t.TempDir(), "parcel.ext4")
	must(t, writeFile(file, nil)) // 0600
	asked := 0
	p := &Provider{opts: Options{Parcel: func(context.Context) (string, error) { asked++; return file, nil }}}
	p.target.host = "elsewhere"
	if got, err := p.parcel(t.Context()); got != "" || err != nil || asked > 0 {
		t.Errorf("on another host: %q, %v, packed %d times", got, err, asked)
	}
	p.target.host = ""
	if got, err := p.parcel(t.Context()); got != "" || err != nil {
		t.Errorf("unreadable for the host's QEMU: %q, %v", got, err)
	}
	dir := filepath.Dir(file)
	p.daemon = &daemon{dir: filepath.Join(dir, "libvirt")}
	if got, err := p.parcel(t.Context()); got != "" || err != nil {
		t.Errorf("unreadable for QEMU's user: %q, %v", got, err)
	}
	must(t, os.Chmod(file, 0o644))
	if got, err := p.parcel(t.Context()); got != file || err != nil {
		t.Errorf("with a libvirtd of its own: %q, %v", got, err)
	}
	p.opts.Parcel = func(context.Context) (string, error) { return "", errors.New("full") }
	if _, err := p.parcel(t.Context()); err == nil {
		t.Error("a failure to pack is swallowed")
	}
	p.opts.Parcel = nil
	if got, err := p.parcel(t.Context()); got != "" || err != nil {
		t.Errorf("without a parcel: %q, %v", got, err)
	}
}
