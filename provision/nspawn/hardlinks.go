package nspawn

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"noriter.dev/noriter/internal/lang"
)

// shareBinaries says which files of a machine's root never change in place:
// our own programs, which an upload replaces by renaming.
func shareBinaries(path string, _ fs.FileInfo) bool {
	return strings.HasPrefix(path, "usr/local/bin/nori-")
}

const (
	contentDir  = "io.containerd.content.v1.content/blobs/"
	snapshotter = "io.containerd.snapshotter.v1.overlayfs"
)

// shareContainerd says the same of containerd's folder: blobs, which are named
// by their hash, and unpacked image layers. The layers that containers write
// to look alike, so containerd's own list tells them apart; without it all
// layers are copied.
func shareContainerd(dir string) (func(string, fs.FileInfo) bool, error) {
	committed, err := committedLayers(filepath.Join(dir, snapshotter, "metadata.db"))
	if err != nil {
		return nil, err
	}
	return func(path string, _ fs.FileInfo) bool {
		if strings.HasPrefix(path, contentDir) {
			return true
		}
		rest, ok := strings.CutPrefix(path, snapshotter+"/snapshots/")
		if !ok {
			return false
		}
		id, inside, _ := strings.Cut(rest, "/")
		return committed[id] && strings.HasPrefix(inside, "fs/")
	}, nil
}

// kindCommitted is containerd's number for an immutable layer
// (containerd, snapshots/snapshotter.go, Kind).
const kindCommitted = 3

// committedLayers reads the snapshotter's list (containerd,
// snapshots/storage/bolt.go): bucket v1/snapshots/KEY with "id" and "kind".
func committedLayers(file string) (map[string]bool, error) {
	committed := map[string]bool{}
	// A copy, as the machine holds the file's lock.
	tmp, err := os.CreateTemp("", "nori-layers-*")
	if err != nil {
		return nil, lang.Errorf("reading containerd's layers: %w", "containerd의 레이어 읽기: %w", err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return committed, nil
	}
	if err != nil {
		return nil, lang.Errorf("reading containerd's layers: %w", "containerd의 레이어 읽기: %w", err)
	}
	if _, err := tmp.Write(b); err != nil {
		return nil, lang.Errorf("reading containerd's layers: %w", "containerd의 레이어 읽기: %w", err)
	}
	db, err := bolt.Open(tmp.Name(), 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return committed, nil // never written, or being written: then all is copied
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		v1 := tx.Bucket([]byte("v1"))
		if v1 == nil {
			return nil
		}
		snapshots := v1.Bucket([]byte("snapshots"))
		if snapshots == nil {
			return nil
		}
		return snapshots.ForEachBucket(func(key []byte) error {
			s := snapshots.Bucket(key)
			id, n := binary.Uvarint(s.Get([]byte("id")))
			kind := s.Get([]byte("kind"))
			if n > 0 && len(kind) == 1 && kind[0] == kindCommitted {
				committed[strconv.FormatUint(id, 10)] = true
			}
			return nil
		})
	})
	if err != nil {
		return nil, lang.Errorf("reading containerd's layers: %w", "containerd의 레이어 읽기: %w", err)
	}
	return committed, nil
}
