package testbed

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/seal"
)

// A cache may be shared by several homes. Each testbed leaves a note in it, so that
// whoever cleans up, or makes an image again, knows of those in other homes. Whether
// the testbed is still there, and which image it has, is read from its state; only
// where that can't be read does the note count.

// tenantVersion is the format of such a note.
const tenantVersion = 1

// tenant is a testbed that uses the cache.
type tenant struct {
	Version int    `json:"version"`
	Nori    string `json:"nori"`
	Home    string `json:"home"`
	Testbed string `json:"testbed"`
	ImageID string `json:"imageID"`
	// Disk says that its machines' disks lie on the image's.
	Disk bool `json:"disk"`
}

func (u tenant) dir() string { return Home{u.Home}.testbed(u.Testbed) }

// label names it to somebody of a home.
func (u tenant) label(from Home) string {
	if u.Home == from.Dir {
		return u.Testbed
	}
	return u.dir()
}

// command is what somebody of a home types to have nori do something with it.
func (u tenant) command(from Home, verb string) string {
	if u.Home == from.Dir {
		return from.Command(u.Testbed, verb)
	}
	return "NORI_HOME=" + shell.Quote(u.Home) + " nori " + verb + " --name " + u.Testbed
}

// tenant is what a testbed of this home is for the cache; of one whose state can't be used
// what can be made out.
func (h Home) tenant(name string) tenant {
	s, err := h.readState(name)
	if err != nil {
		s.Spec.Name, s.Spec.Driver, s.ImageID = name, h.salvage(name, "driver"), h.salvage(name, "imageID")
	}
	return (&Testbed{home: h, state: s}).tenant()
}

func (h Home) notes() string { return filepath.Join(h.Cache(), "users") }

func (h Home) noteFile(name string) string {
	sum := sha256.Sum256([]byte(h.testbed(name)))
	return filepath.Join(h.notes(), hex.EncodeToString(sum[:8])+".json")
}

// removeNote takes a testbed's note out of the cache. It goes last: without a state it
// counts for nothing.
func (h Home) removeNote(name string) error {
	err := os.Remove(h.noteFile(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return lang.Errorf("removing the testbed's note from the cache: %w", "캐시에서 테스트베드의 메모 지우기: %w", err)
	}
	return nil
}

// tenant is what the testbed is for the cache. One that has no machines yet will make
// them from the image of the present recipe.
func (t *Testbed) tenant() tenant {
	u := tenant{
		Version: tenantVersion, Nori: build.Version(), Home: t.home.Dir, Testbed: t.Name(), ImageID: t.state.ImageID,
		// On another host they lie on what was sent there.
		Disk: t.Traits().Disk && t.state.Spec.Connect == "" && t.made(),
	}
	if u.ImageID == "" {
		u.ImageID = image.PresentID()
	}
	return u
}

// noteUse leaves the testbed's note in the cache.
func (t *Testbed) noteUse() error {
	b, err := json.MarshalIndent(t.tenant(), "", "  ")
	if err != nil {
		return err
	}
	path := t.home.noteFile(t.Name())
	if have, err := os.ReadFile(path); err == nil && string(have) == string(b)+"\n" {
		return nil
	}
	err = os.MkdirAll(t.home.notes(), 0o755)
	if err == nil {
		err = seal.WriteFile(path, append(b, '\n'))
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return nil // another user's cache, whose processes are seen nevertheless
	}
	if err != nil {
		return lang.Errorf("noting in the cache that testbed %q uses it: %w", "테스트베드 %q이(가) 캐시를 쓴다고 적기: %w", t.Name(), err)
	}
	return nil
}

// tenants are all testbeds that use the cache: those of this home, and those that other
// homes noted.
func (h Home) tenants() ([]tenant, error) {
	names, err := h.Names()
	if err != nil {
		return nil, err
	}
	var all []tenant
	for _, name := range names {
		all = append(all, h.tenant(name))
	}
	notes, err := filepath.Glob(filepath.Join(h.notes(), "*.json"))
	if err != nil {
		return nil, err
	}
	for _, note := range notes {
		u, there, err := readTenant(note)
		if err != nil {
			return nil, err
		}
		if there && u.Home != h.Dir {
			all = append(all, u)
		}
	}
	return all, nil
}

// readTenant reads a note, and what has become of its testbed.
func readTenant(note string) (u tenant, there bool, err error) {
	b, err := os.ReadFile(note)
	if errors.Is(err, fs.ErrNotExist) {
		return u, false, nil // removed meanwhile
	}
	if err != nil {
		return u, false, lang.Errorf("reading who uses the cache: %w", "캐시를 쓰는 테스트베드 읽기: %w", err)
	}
	if json.Unmarshal(b, &u) != nil || u.Home == "" || u.Testbed == "" {
		return u, false, nil // damaged, and written again by the next `nori up`
	}
	if err := format.Check(lang.Textf("the note %s", "메모 %s", note), u.Version, tenantVersion, u.Nori); err != nil {
		return u, false, err
	}
	s, err := Home{u.Home}.readState(u.Testbed)
	switch {
	case errors.Is(err, ErrNoTestbed):
		return u, false, nil
	case err == nil && s.ImageID != "":
		u.ImageID = s.ImageID
	}
	return u, true, nil // also where its state can't be read: it may have machines
}

// standingOn are the testbeds whose machines' disks lie on an image's.
func (h Home) standingOn(id string) ([]string, error) {
	all, err := h.tenants()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, u := range all {
		if u.Disk && u.ImageID == id {
			names = append(names, u.label(h))
		}
	}
	slices.SortFunc(names, strings.Compare)
	return names, nil
}
