package testbed

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/cache"
	"noriter.dev/noriter/provision/image"
)

// Entry is something that the cache keeps, and who needs it.
type Entry struct {
	Kind cache.Kind `json:"kind"`
	Name string     `json:"name"`
	Path string     `json:"path"`
	// Bytes is what it takes on the disk.
	Bytes int64 `json:"bytes"`
	// Nori made it; one before format numbers did not say so.
	Nori string    `json:"nori,omitempty"`
	Made time.Time `json:"made,omitzero"`
	// ThisNori says that this nori would use it as it is.
	ThisNori bool `json:"thisNori"`
	// Testbeds need it, and InUse are the mounts and processes that stand on it now.
	Testbeds []string `json:"testbeds,omitempty"`
	InUse    []string `json:"inUse,omitempty"`

	entry cache.Entry
}

// Entries lists what the cache has. binDir has the programs of this nori; empty
// leaves open what it would use of container images.
func (h Home) Entries(ctx context.Context, binDir string) ([]Entry, error) {
	machines, err := image.Entries(h.Cache())
	if err != nil {
		return nil, err
	}
	containers, err := images.Entries(h.Cache())
	if err != nil {
		return nil, err
	}
	tenants, err := h.tenants()
	if err != nil {
		return nil, err
	}
	present := h.present(ctx, binDir)
	var all []Entry
	for _, e := range append(machines, containers...) {
		in, err := e.Users()
		if err != nil {
			return nil, err
		}
		row := Entry{
			Kind: e.Kind, Name: e.Name, Path: e.Paths[0], Nori: e.Nori, Made: e.Made, entry: e,
			ThisNori: e.Kind != cache.Leftover && slices.Contains(present, e.Name),
		}
		row.Testbeds = h.needing(row, tenants)
		for _, u := range in {
			row.InUse = append(row.InUse, u.String())
		}
		all = append(all, row)
	}
	return all, nil
}

// present are the names of the entries that this nori would use as they are.
func (h Home) present(ctx context.Context, binDir string) []string {
	names := []string{image.PresentID()}
	if binDir == "" {
		return names
	}
	containers := images.Present(ctx, h.imagesOptions(binDir))
	for _, name := range containers {
		b, err := images.Open(filepath.Join(h.Cache(), "images", name))
		if err != nil {
			continue // the packages', or damaged
		}
		if parcel, err := (image.Parcel{Items: packedItems(binDir, b)}).Name(); err == nil {
			names = append(names, parcel)
		}
	}
	return append(names, containers...)
}

// packedItems are what virtual machines get on a disk.
func packedItems(programs string, b *images.Bundle) []image.ParcelItem {
	items := []image.ParcelItem{{Source: b.Base, Mode: 0o644}, {Source: b.DNS, Mode: 0o644}, {Source: b.Apps, Mode: 0o644}}
	for _, name := range slices.Backward(sent) {
		items = slices.Insert(items, 0, image.ParcelItem{Source: filepath.Join(programs, name), Mode: 0o755})
	}
	return items
}

// needing are the testbeds that need an entry: their machines were made from the
// image, or will be; the next `nori up` brings the container images; the parcel is
// plugged in.
func (h Home) needing(e Entry, tenants []tenant) (names []string) {
	for _, u := range tenants {
		needs := false
		switch e.Kind {
		case cache.MachineImage:
			needs = u.ImageID == e.Name
		case cache.ContainerImages, cache.Packages:
			needs = e.ThisNori
		case cache.Parcel:
			_, err := os.Stat(filepath.Join(u.dir(), parcelFolder, e.Name))
			needs = err == nil
		}
		if needs {
			names = append(names, u.label(h))
		}
	}
	return names
}

// Belongs says to which recipe or version an entry belongs, for people.
func (e Entry) Belongs() lang.Text {
	by := lang.Text{EN: "an older nori", KO: "이전 nori"}
	if e.Nori != "" {
		by = lang.Textf("nori %s", "nori %s", e.Nori)
	}
	switch {
	case e.Kind == cache.Leftover:
		return lang.Text{}
	case e.Kind == cache.Parcel && e.Nori == "":
		by = lang.Text{}
	}
	if !e.ThisNori {
		return by
	}
	if by == (lang.Text{}) {
		return lang.Text{EN: "this nori uses it", KO: "이 nori가 사용"}
	}
	return lang.Textf("%s; this nori uses it", "%s, 이 nori가 사용", by)
}
