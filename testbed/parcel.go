package testbed

import (
	"context"
	"path/filepath"

	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/machine"
)

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
	if len(t.packed) == 0 {
		return "", nil
	}
	return image.Parcel{CacheDir: t.home.Cache(), Dir: filepath.Join(t.Dir(), "parcel"), Items: t.packed}.Ensure(ctx)
}
