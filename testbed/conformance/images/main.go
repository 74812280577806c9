//go:build conformance

// Command images makes the images that Kubernetes' conformance cases ask for: one
// root file system of Debian with upstream's agnhost in it, under several names.
// Which names and versions these are, upstream's own table says. For those that
// Noriter's images serve as well, it prints a line each: ours, and upstream's name.
package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	imageutils "k8s.io/kubernetes/test/utils/image"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: images ROOTFS.tar AGNHOST PORTER-DIR OUT.tar")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
	for _, s := range served {
		fmt.Println(s.ours, imageutils.GetE2EImage(s.id))
	}
}

// served are images of ours that do as well.
var served = []struct {
	ours string
	id   imageutils.ImageID
}{
	{"docker.io/library/nginx:1.22", imageutils.Nginx},
	{"docker.io/library/nginx:1.26", imageutils.NginxNew},
	{"docker.io/noriter/pause:3.10", imageutils.Pause},
}

// variant is how one image starts, and as whom.
type variant struct {
	ids        []imageutils.ImageID
	entrypoint []string
	cmd        []string
	user       string
}

var variants = []variant{
	{ids: []imageutils.ImageID{imageutils.Agnhost, imageutils.AgnhostPrev, imageutils.GlibcDnsTesting}, entrypoint: []string{"/agnhost"}, cmd: []string{"pause"}},
	{ids: []imageutils.ImageID{imageutils.Kitten, imageutils.Nautilus}, entrypoint: []string{"/agnhost", "test-webserver"}},
	{ids: []imageutils.ImageID{imageutils.NonRoot}, entrypoint: []string{"/agnhost"}, cmd: []string{"pause"}, user: "1234"},
	{ids: []imageutils.ImageID{imageutils.BusyBox}, cmd: []string{"sh"}},
}

func write(rootfs, agnhost, porter, out string) error {
	base, err := tarball.LayerFromFile(rootfs)
	if err != nil {
		return fmt.Errorf("reading the root file system: %w", err)
	}
	program, err := agnhostLayer(agnhost, porter)
	if err != nil {
		return err
	}
	images := map[name.Reference]v1.Image{}
	for _, v := range variants {
		image, err := v.image(base, program)
		if err != nil {
			return fmt.Errorf("making %s: %w", imageutils.GetE2EImage(v.ids[0]), err)
		}
		for _, id := range v.ids {
			ref, err := name.NewTag(imageutils.GetE2EImage(id))
			if err != nil {
				return err
			}
			images[ref] = image
		}
	}
	return tarball.MultiRefWriteToFile(out, images)
}

func (v variant) image(layers ...v1.Layer) (v1.Image, error) {
	image, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	config.Config = v1.Config{Entrypoint: v.entrypoint, Cmd: v.cmd, User: v.user, WorkingDir: "/",
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}
	return mutate.ConfigFile(image, config)
}

// agnhostLayer is what upstream's Dockerfile of agnhost adds to its base.
func agnhostLayer(program, porter string) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct {
		name, from string
		mode       int64
	}{{"agnhost", program, 0o755}, {"localhost.crt", filepath.Join(porter, "localhost.crt"), 0o644}, {"localhost.key", filepath.Join(porter, "localhost.key"), 0o644}} {
		data, err := os.ReadFile(f.from)
		if err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
			return nil, err
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
	}
	for _, h := range []*tar.Header{
		{Name: "agnhost-2", Linkname: "agnhost", Typeflag: tar.TypeSymlink, Mode: 0o777},
		{Name: "uploads", Typeflag: tar.TypeDir, Mode: 0o777},
		// Debian's dash and busybox drop variables such as data-1, which cases look for.
		{Name: "usr/bin/sh", Linkname: "bash", Typeflag: tar.TypeSymlink, Mode: 0o777},
	} {
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
}
