package testbed

import (
	"context"
	"path/filepath"
	"sync"

	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/machine"
)

// packing is what new virtual machines get on a disk, known when the images are.
type packing struct {
	mu    sync.Mutex // one at a time packs
	items []image.ParcelItem
	path  string
}

// parcelDir is where machines of the testbed have a parcel mounted, if they
// have one.
func (t *Testbed) parcelDir() string {
	if t.state.Spec.Driver == Libvirt {
		return machine.ParcelDir
	}
	return ""
}

// ensureParcel packs what the machines are going to be sent. Where that is not
// known, as the caller sends nothing, there is none.
func (t *Testbed) ensureParcel(ctx context.Context) (string, error) {
	t.packing.mu.Lock()
	defer t.packing.mu.Unlock()
	if t.packing.path != "" || len(t.packing.items) == 0 {
		return t.packing.path, nil
	}
	p := image.Parcel{CacheDir: t.home.Cache(), Dir: filepath.Join(t.Dir(), "parcel"), Items: t.packing.items}
	path, err := p.Ensure(ctx)
	if err == nil {
		t.packing.path = path
	}
	return path, err
}
