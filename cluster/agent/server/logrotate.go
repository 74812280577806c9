package server

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/utils/clock"
)

// The kubelet's defaults for logs of containers (containerLogMaxSize, in bytes,
// containerLogMaxFiles and containerLogMonitorInterval).
const (
	defaultLogMaxSize  = 10 << 20
	defaultLogMaxFiles = 5
	logCheckPeriod     = 10 * time.Second
)

// LogRuntime is the part of CRI that log rotation needs.
type LogRuntime interface {
	ListContainers(ctx context.Context, filter *cri.ContainerFilter) ([]*cri.Container, error)
	ContainerStatus(ctx context.Context, id string, verbose bool) (*cri.ContainerStatusResponse, error)
	ReopenContainerLog(ctx context.Context, id string) error
}

// LogRotator keeps the logs of running containers small (containerLogManager in
// pkg/kubelet/logs/container_log_manager.go): a log that has grown to
// the limit is renamed, the runtime starts a new one, older ones are compressed,
// the oldest are removed.
type LogRotator struct {
	runtime  LogRuntime
	maxSize  int64
	maxFiles int
	clock    clock.WithTicker
	paths    map[string]string // of running containers, by ID
}

// NewLogRotator makes a rotator. maxSize is in bytes; maxFiles counts the current
// file too and is at least 2. Zeros mean the defaults.
func NewLogRotator(runtime LogRuntime, maxSize int64, maxFiles int) (*LogRotator, error) {
	if maxSize == 0 {
		maxSize = defaultLogMaxSize
	}
	if maxFiles == 0 {
		maxFiles = defaultLogMaxFiles
	}
	if maxSize < 0 || maxFiles < 2 {
		return nil, fmt.Errorf("container logs need a size above 0 bytes and at least 2 files, not %d bytes and %d files", maxSize, maxFiles)
	}
	return &LogRotator{runtime: runtime, maxSize: maxSize, maxFiles: maxFiles, clock: clock.RealClock{}, paths: map[string]string{}}, nil
}

// Run looks at the logs every ten seconds until ctx is done.
func (r *LogRotator) Run(ctx context.Context) {
	ticker := r.clock.NewTicker(logCheckPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
		if err := r.look(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("rotating container logs failed, will look again", "error", err)
		}
	}
}

// look rotates what has grown too large.
func (r *LogRotator) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	list, err := r.runtime.ListContainers(ctx, &cri.ContainerFilter{State: &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}})
	if err != nil {
		return fmt.Errorf("listing containers: %w", err)
	}
	paths := make(map[string]string, len(list))
	var errs []error
	for _, c := range list {
		path, ok := r.paths[c.Id]
		if !ok {
			status, err := r.runtime.ContainerStatus(ctx, c.Id, false)
			if err != nil {
				continue // it ended meanwhile
			}
			path = status.GetStatus().GetLogPath()
		}
		paths[c.Id] = path
		info, err := os.Stat(path)
		if err != nil || info.Size() < r.maxSize {
			continue
		}
		if err := r.rotate(ctx, c.Id, path); err != nil {
			errs = append(errs, fmt.Errorf("log %s: %w", path, err))
		}
	}
	r.paths = paths
	return errors.Join(errs...)
}

// rotate moves the log aside. If the runtime can't open a new one, the old one goes
// back, so that it is written on.
func (r *LogRotator) rotate(ctx context.Context, id, path string) error {
	if err := r.tidy(path); err != nil {
		return err
	}
	aside := path + "." + r.clock.Now().Format("20060102-150405")
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("moving it aside: %w", err)
	}
	if err := r.runtime.ReopenContainerLog(ctx, id); err != nil {
		return errors.Join(fmt.Errorf("asking the runtime for a new one: %w", err), os.Rename(aside, path))
	}
	return nil
}

// tidy makes room for one more old file and compresses the others. The newest old
// file was compressed when the one after it came, so that whoever still reads it
// isn't cut off.
func (r *LogRotator) tidy(path string) error {
	old, err := oldLogs(path)
	if err != nil {
		return err
	}
	// The current file and the one about to be moved aside count too.
	for len(old) > r.maxFiles-2 {
		if err := os.Remove(old[0]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the oldest: %w", err)
		}
		old = old[1:]
	}
	for _, file := range old {
		if strings.HasSuffix(file, ".gz") {
			continue
		}
		if err := compress(file); err != nil {
			return fmt.Errorf("compressing %s: %w", file, err)
		}
	}
	return nil
}

// oldLogs lists the logs moved aside, oldest first, and removes half-made ones.
func oldLogs(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("looking for old logs: %w", err)
	}
	var old []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), filepath.Base(path)+".") {
			continue
		}
		full := filepath.Join(filepath.Dir(path), e.Name())
		if strings.HasSuffix(full, ".tmp") {
			if err := os.Remove(full); err != nil {
				return nil, fmt.Errorf("removing what an interrupted compression left: %w", err)
			}
			continue
		}
		old = append(old, full)
	}
	slices.Sort(old) // the names end in times
	return old, nil
}

// compress replaces a file by its compressed form, which appears complete or not
// at all.
func compress(path string) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	tmp := path + ".tmp"
	out, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	zip := gzip.NewWriter(out)
	_, err = io.Copy(zip, in)
	if err = errors.Join(err, zip.Close(), out.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path+".gz"); err != nil {
		return err
	}
	return os.Remove(path)
}
