package histories

import (
	"fmt"
	"os"
	"path/filepath"
)

// warm has the images made, which would else come to the cache in a history's middle.
func (w *world) warm() error {
	w.bed = bed{driver: driver(), isolated: true, nodes: 1}
	if w.bed.driver == "libvirt" {
		return nil // see prepare
	}
	defer w.scrub()
	if r := w.nori(w.limit("up"), append([]string{"up"}, w.upFlags()...)...); r.code != 0 {
		return fmt.Errorf("making the images: %s", said(r.out))
	}
	return nil
}

// unpack puts a prepared testbed of virtual machines into place and brings it back by
// a reset, since emulated machines take minutes to boot. The first time it is made.
func (w *world) unpack() error {
	if _, err := os.Stat(w.prepared()); err != nil {
		if err := w.prepare(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(w.folder()), 0o755); err != nil {
		return err
	}
	if _, err := run("cp", "-a", "--sparse=always", w.prepared(), w.folder()); err != nil {
		return err
	}
	if err := w.learn(); err != nil {
		return err
	}
	r, err := w.obey("reset")
	switch {
	case err != nil:
		return err
	case r.code != 0:
		return breaks(adviceHeld, "a reset after the host's reboot: %s", said(r.out))
	}
	return w.serves("nori reset")
}

func (w *world) prepared() string { return filepath.Join(w.dir, "prepared") }

// prepare brings a testbed up, and keeps its folder as the host's reboot leaves it.
func (w *world) prepare() error {
	var r result
	for range 3 { // beside other work an emulated machine may be too slow once
		if r = w.nori(2*w.limit("up"), append([]string{"up"}, w.upFlags()...)...); r.code == 0 {
			break
		}
	}
	if r.code != 0 {
		return fmt.Errorf("preparing the testbed of virtual machines: %s", said(r.out))
	}
	w.powerOff()
	return os.Rename(w.folder(), w.prepared())
}
