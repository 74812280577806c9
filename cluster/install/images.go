package install

import (
	"context"
	"fmt"
	"time"

	"noriter.dev/noriter/provision/filesum"
	"noriter.dev/noriter/provision/machine"
)

// importImages hands an archive of container images to containerd on every
// node. What a node has imported before is noted by checksum and left alone.
func (c *Cluster) importImages(ctx context.Context, name, archive string) error {
	if archive == "" {
		return nil
	}
	sum, err := filesum.Of(archive)
	if err != nil {
		return fmt.Errorf("reading the archive of images: %w", err)
	}
	return c.each(ctx, func(ctx context.Context, _ Node, m machine.Machine) error {
		mark := stampDir + "/images-" + name
		have, err := m.Run(ctx, machine.Command{Line: fmt.Sprintf(`[ "$(cat %s 2>/dev/null)" = %s ] && echo yes || echo no`, mark, sum.SHA256)})
		if err != nil {
			return fmt.Errorf("looking for images on %s: %w", m.Name(), err)
		}
		if string(have.Stdout) == "yes\n" {
			return nil
		}
		path := "/var/lib/noriter/images-" + name + ".tar"
		if err := m.Upload(ctx, machine.File{Path: path, Source: archive}); err != nil {
			return fmt.Errorf("sending images to %s: %w", m.Name(), err)
		}
		script := fmt.Sprintf("set -e\nctr -n k8s.io images import --local --all-platforms=false %[1]s >/dev/null\nrm -f %[1]s\nmkdir -p %[4]s\necho %[3]s > %[2]s", path, mark, sum.SHA256, stampDir)
		if _, err := m.Run(ctx, machine.Command{Line: script, Timeout: 4 * time.Minute}); err != nil {
			return fmt.Errorf("importing images: %w", err)
		}
		return nil
	})
}
