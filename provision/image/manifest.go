package image

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/seal"
)

// manifestVersion is the format of an image's folder: since 1 it has a seal.
const manifestVersion = 1

// Manifest is kept beside each image, written last.
type Manifest struct {
	Version int `json:"version"`
	// Nori is the one that built the image; those before version 1 did not say.
	Nori     string    `json:"nori,omitempty"`
	ID       string    `json:"id"`
	Suite    string    `json:"suite"`
	Built    time.Time `json:"built"`
	Seconds  float64   `json:"seconds"`
	Kernel   string    `json:"kernel"`
	Packages []string  `json:"packages"`
	// RootBytes is the space the tree takes; Files the size of each file beside it.
	RootBytes int64            `json:"rootBytes"`
	Files     map[string]int64 `json:"files"`
}

const manifestName = "manifest.json"

// Manifest reads what the image says of itself. One that can't be read is a
// *seal.Damage, one of a newer nori a *format.NewerError.
func (i Image) Manifest() (Manifest, error) {
	var m Manifest
	b, err := os.ReadFile(filepath.Join(i.Dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return m, seal.New(manifestName, "%s is missing", "%s이(가) 없습니다", err)
	}
	if err != nil {
		return m, lang.Errorf("reading the image's manifest: %w", "이미지의 매니페스트 읽기: %w", err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, seal.New(manifestName, "%s is empty or garbled", "%s이(가) 비었거나 깨졌습니다", err)
	}
	err = format.Check(lang.Textf("the machine image %s", "머신 이미지 %s", i.Dir), m.Version, manifestVersion, m.Nori)
	if err == nil && m.ID != i.ID {
		err = seal.New(manifestName, "%s is that of another image", "%s이(가) 다른 이미지의 것입니다", nil)
	}
	return m, err
}

// writeManifest describes an image that is whole.
func writeManifest(dir string, m Manifest) error {
	m.Version, m.Files = manifestVersion, map[string]int64{}
	for _, name := range []string{"vmlinuz", "initrd"} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return lang.Errorf("the image built is not whole: %w", "빌드한 이미지가 온전하지 않습니다: %w", err)
		}
		m.Files[name] = fi.Size()
	}
	root := filepath.Join(dir, "root")
	var err error
	if m.RootBytes, err = diskUsage(root); err != nil {
		return err
	}
	if m.Packages, err = installedPackages(root); err != nil {
		return err
	}
	if m.Kernel, err = kernelVersion(root); err != nil {
		return err
	}
	return keepManifest(dir, m)
}

func keepManifest(dir string, m Manifest) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = seal.WriteFile(filepath.Join(dir, manifestName), append(b, '\n'))
	}
	if err != nil {
		return lang.Errorf("writing the image's manifest: %w", "이미지의 매니페스트 쓰기: %w", err)
	}
	return nil
}
