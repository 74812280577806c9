package image

import "fmt"

// Open gives the image of an ID that was built before; machines stay on the
// image they were made from when the recipe changes.
func Open(cacheDir, id string) (Image, error) {
	img := at(cacheDir, id)
	if id == "" {
		return img, fmt.Errorf("no machine image was noted")
	}
	if err := img.complete(); err != nil {
		return img, fmt.Errorf("machine image %s: %w", id, err)
	}
	return img, nil
}
