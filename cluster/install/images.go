package install

import (
	"context"
	"fmt"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/filesum"
	"noriter.dev/noriter/provision/machine"
)

// importNeeded gives every node what it needs to be Ready, and the workers
// what the cluster's DNS needs, which the control node's taint keeps away from
// there: it has enough to do.
func (c *Cluster) importNeeded(ctx context.Context) error {
	return c.each(ctx, func(ctx context.Context, n Node, m machine.Machine) error {
		if err := importImages(ctx, m, "base", c.BaseImages); err != nil || n.Control {
			return err
		}
		return importImages(ctx, m, "dns", c.DNSImages)
	})
}

// importOthers completes what every node has.
func (c *Cluster) importOthers(ctx context.Context) error {
	return c.each(ctx, func(ctx context.Context, _ Node, m machine.Machine) error {
		if err := importImages(ctx, m, "dns", c.DNSImages); err != nil {
			return err
		}
		return importImages(ctx, m, "apps", c.AppImages)
	})
}

// importImages hands an archive of container images to a node's containerd.
// What the node has imported before is noted by checksum and left alone.
func importImages(ctx context.Context, m machine.Machine, name, archive string) error {
	if archive == "" {
		return nil
	}
	sum, err := filesum.Of(archive)
	if err != nil {
		return lang.Errorf("reading the archive of images: %w", "이미지 아카이브 읽기: %w", err)
	}
	mark := stampDir + "/images-" + name
	have, err := m.Run(ctx, machine.Command{
		Line:  fmt.Sprintf(`[ "$(cat %s 2>/dev/null)" = %s ] && echo yes || echo no`, mark, sum.SHA256),
		Doing: lang.Text{EN: "looking for images", KO: "이미지 확인"},
	})
	if err != nil {
		return err
	}
	if string(have.Stdout) == "yes\n" {
		return nil
	}
	path := "/var/lib/noriter/images-" + name + ".tar"
	if err := m.Upload(ctx, machine.File{Path: path, Source: archive}); err != nil {
		return lang.Errorf("sending images to %s: %w", "%s에 이미지 보내기: %w", m.Name(), err)
	}
	script := fmt.Sprintf("set -e\nctr -n k8s.io images import --local --all-platforms=false %[1]s >/dev/null\nrm -f %[1]s\nmkdir -p %[4]s\necho %[3]s > %[2]s", path, mark, sum.SHA256, stampDir)
	_, err = m.Run(ctx, machine.Command{
		Line: script, Timeout: slowLimit,
		Doing: lang.Textf("importing images from %s", "%s에서 이미지 가져오기(import)", archive),
	})
	return err
}
