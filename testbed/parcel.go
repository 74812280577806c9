package testbed

import (
	"context"
	"path/filepath"

	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/step"
)

// parcelFolder is in a testbed's folder.
const parcelFolder = "parcel"

// ensureParcel packs what the machines are going to be sent. Where that is not
// known, as the caller sends nothing, there is none.
func (t *Testbed) ensureParcel(ctx context.Context) (string, error) {
	if len(t.packed) == 0 {
		return "", nil
	}
	return image.Parcel{
		CacheDir: t.home.Cache(), Dir: filepath.Join(t.Dir(), parcelFolder), Items: t.packed,
		Say: func(line string) { step.Say(ctx, line) },
	}.Ensure(ctx)
}
