package image

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// Manifest is kept beside each image, written last.
type Manifest struct {
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

// Manifest reads what the image says of itself.
func (i Image) Manifest() (Manifest, error) {
	var m Manifest
	b, err := os.ReadFile(filepath.Join(i.Dir, manifestName))
	if err != nil {
		return m, lang.Errorf("reading the image's manifest: %w", "이미지의 매니페스트 읽기: %w", err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, lang.Errorf("reading the image's manifest: %w", "이미지의 매니페스트 읽기: %w", err)
	}
	return m, nil
}

func writeManifest(work string, r recipe, id string, took time.Duration) error {
	m := Manifest{ID: id, Suite: r.Suite, Built: time.Now().UTC().Truncate(time.Second), Seconds: took.Seconds(), Files: map[string]int64{}}
	for _, name := range []string{"vmlinuz", "initrd"} {
		fi, err := os.Stat(filepath.Join(work, name))
		if err != nil {
			return lang.Errorf("the image built is not whole: %w", "빌드한 이미지가 온전하지 않습니다: %w", err)
		}
		m.Files[name] = fi.Size()
	}
	root := filepath.Join(work, "root")
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
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return lang.Errorf("writing the image's manifest: %w", "이미지의 매니페스트 쓰기: %w", err)
	}
	if err := os.WriteFile(filepath.Join(work, manifestName), append(b, '\n'), 0o644); err != nil {
		return lang.Errorf("writing the image's manifest: %w", "이미지의 매니페스트 쓰기: %w", err)
	}
	return nil
}
