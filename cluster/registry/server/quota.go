package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distribution/distribution/v3/registry/storage"
	"github.com/distribution/distribution/v3/registry/storage/driver/factory"
)

// quota is how much both registries may hold together, unfinished uploads
// included: what lies here lies on the disk of the host.
type quota struct {
	dir   string
	limit int64

	mu     sync.Mutex
	active int
	// room is what is left. It is measured when nobody writes, and counted down
	// while somebody does.
	room int64
}

// begin is called before a write; its end must follow.
func (q *quota) begin(body io.ReadCloser) (*metered, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.active == 0 {
		used, err := bytesBelow(q.dir)
		if err != nil {
			return nil, fmt.Errorf("measuring what the registry holds: %w", err)
		}
		q.room = q.limit - used
	}
	q.active++
	return &metered{ReadCloser: body, quota: q}, nil
}

func (q *quota) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.active--
}

func (q *quota) left() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.room
}

func (q *quota) exceeded() error {
	return fmt.Errorf("the registry is full: its quota is %d MiB for all images together (--quota)", q.limit>>20)
}

// take counts what a body brings.
func (q *quota) take(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.room -= int64(n)
	return q.room >= 0
}

// metered is a request's body that ends with an error where the quota does.
type metered struct {
	io.ReadCloser
	quota *quota
	over  atomic.Bool
}

// Read implements io.Reader.
func (m *metered) Read(b []byte) (int, error) {
	n, err := m.ReadCloser.Read(b)
	if n > 0 && !m.quota.take(n) {
		m.over.Store(true)
		return 0, m.quota.exceeded()
	}
	return n, err
}

// bytesBelow is the size of all files in a folder; what goes away meanwhile counts
// for nothing.
func bytesBelow(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return sum, err
}

const (
	// uploadAge is how old an upload may become that nobody finishes.
	uploadAge = time.Hour
	// purgeEvery is how often is looked for them.
	purgeEvery = 10 * time.Minute
)

// repositories is where the library keeps them, below a registry's folder.
const repositories = "docker/registry/v2/repositories"

// purge removes the uploads of one registry that were begun before a time. The
// library's own purge waits for up to an hour after each start.
func purge(ctx context.Context, dir string, before time.Time) error {
	if _, err := os.Stat(filepath.Join(dir, repositories)); errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was pushed yet
	}
	driver, err := factory.Create(ctx, "filesystem", map[string]any{"rootdirectory": dir})
	if err != nil {
		return err
	}
	gone, errs := storage.PurgeUploads(ctx, driver, before, true)
	if len(gone) > 0 {
		slog.Info("removed uploads that nobody finished", "uploads", len(gone))
	}
	return errors.Join(errs...)
}

// purgeUploads does so until ctx ends. What an earlier process left can't be
// finished any more: the state of uploads is signed with a secret that it had.
func purgeUploads(ctx context.Context, dirs []string) {
	before := time.Now()
	ticker := time.NewTicker(purgeEvery)
	defer ticker.Stop()
	for {
		for _, dir := range dirs {
			if err := purge(ctx, dir, before); err != nil {
				slog.Warn("removing uploads that nobody finished", "error", err)
			}
		}
		select {
		case now := <-ticker.C:
			before = now.Add(-uploadAge)
		case <-ctx.Done():
			return
		}
	}
}
