package image

import (
	"context"

	"noriter.dev/noriter/internal/filelock"
	"noriter.dev/noriter/internal/lang"
)

// lock takes a lock of the cache, waiting for whoever holds it and saying so.
func lock(ctx context.Context, path string, what lang.Text, say func(string)) (unlock func(), err error) {
	return filelock.Lock(ctx, path, what, func() {
		say(lang.Textf("waiting for %s", "%s을(를) 기다리는 중", what).String())
	})
}
