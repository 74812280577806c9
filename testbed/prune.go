package testbed

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"noriter.dev/noriter/internal/du"
	"noriter.dev/noriter/internal/filelock"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/cache"
)

// Prunable is an entry of the cache that may go.
type Prunable struct {
	Entry
	// Frees is what comes free: not what has other names elsewhere.
	Frees   int64 `json:"frees"`
	Removed bool  `json:"removed"`
	// Kept says why it was not removed after all.
	Kept string `json:"kept,omitempty"`
}

// Prunable lists the entries that no testbed needs, nobody uses, and this nori would not
// use either; with all also those that it would. frees is for all of them.
func (h Home) Prunable(ctx context.Context, binDir string, all bool) (list []Prunable, frees int64, err error) {
	entries, err := h.Entries(ctx, binDir)
	if err != nil {
		return nil, 0, err
	}
	busy, err := h.busy()
	if err != nil {
		return nil, 0, err
	}
	var paths []string
	for _, e := range entries {
		if len(e.Testbeds)+len(e.InUse) > 0 || e.ThisNori && !all || busy && e.silent() {
			continue
		}
		p := Prunable{Entry: e}
		if p.Frees, err = du.Frees(e.entry.Paths...); err != nil {
			return nil, 0, err
		}
		p.Bytes, err = new(du.Counter).Add(e.Path)
		if err != nil {
			return nil, 0, err
		}
		list, paths = append(list, p), append(paths, e.entry.Paths...)
	}
	frees, err = du.Frees(paths...)
	return list, frees, err
}

// silent says that those who use the entry hold no lock: it is of a nori before locks.
func (e Entry) silent() bool { return e.Kind == cache.ContainerImages && e.Nori == "" }

// busy says that a command is at work on a testbed of this home.
func (h Home) busy() (bool, error) {
	names, err := h.Names()
	if err != nil {
		return false, err
	}
	for _, name := range names {
		lock := filepath.Join(h.locks(), name)
		if _, err := os.Stat(lock); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		release, free, err := filelock.Try(lock)
		if err != nil {
			return false, err
		}
		if !free {
			return true, nil
		}
		release()
	}
	return false, nil
}

// Prune removes entries, and the notes of testbeds that are gone. What somebody has
// come to use meanwhile is kept.
func (h Home) Prune(list []Prunable) error {
	tenants, err := h.tenants()
	if err != nil {
		return err
	}
	for i := range list {
		p := &list[i]
		if names := h.needing(p.Entry, tenants); len(names) > 0 {
			p.Kept = lang.Textf("testbed %q needs it now", "이제 테스트베드 %q에 필요합니다", names[0]).String()
			continue
		}
		in, err := p.entry.Remove()
		if err != nil {
			return err
		}
		if p.Removed = len(in) == 0; !p.Removed {
			p.Kept = lang.Textf("in use by %s", "%s이(가) 사용 중", in[0]).String()
		}
	}
	return h.removeOldNotes()
}

func (h Home) removeOldNotes() error {
	notes, err := filepath.Glob(filepath.Join(h.notes(), "*.json"))
	if err != nil {
		return err
	}
	for _, note := range notes {
		_, there, err := readTenant(note)
		if err == nil && !there {
			err = os.Remove(note)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return lang.Errorf("removing the note of a testbed that is gone: %w", "없어진 테스트베드의 메모 지우기: %w", err)
		}
	}
	return nil
}
