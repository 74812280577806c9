package image

import (
	"os"
	"path/filepath"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/cache"
)

// leftoverPrefix starts the name of every folder that is being built.
const leftoverPrefix = cache.LeftoverPrefix

// removeLeftovers removes what interrupted builds left. The caller holds the
// lock, so nobody is building.
func removeLeftovers(base string) error {
	entries, err := os.ReadDir(base)
	if err != nil {
		return lang.Errorf("looking for leftovers: %w", "중단된 빌드가 남긴 것 찾기: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), leftoverPrefix) {
			if err := cache.RemoveTree(filepath.Join(base, e.Name())); err != nil {
				return lang.Errorf("removing an interrupted build: %w", "중단된 빌드 제거: %w", err)
			}
		}
	}
	return nil
}
