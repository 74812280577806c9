package images

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"noriter.dev/noriter/internal/lang"
)

// layerOf packs a tree into a layer. Zstandard, because a node unpacks it
// several times faster than gzip, and every node unpacks every image at `nori up`.
func layerOf(t *tree) (v1.Layer, error) {
	var packed bytes.Buffer
	// One encoder goroutine keeps the output independent of the host's CPUs.
	z, err := zstd.NewWriter(&packed, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return nil, err
	}
	if err := t.tar(z); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayerZStd))
}

// AnnotationName is where containerd's importer looks for an image's full name.
const AnnotationName = "io.containerd.image.name"

// writeArchive writes images as an OCI image layout in a tar file: blobs by
// digest, each once, and an index with a line per name. A name with the digest
// is among them, because it is from that that a node reports which image a container runs
// (imageID in its status is repository@digest).
//
// https://github.com/opencontainers/image-spec/blob/main/image-layout.md
func writeArchive(path string, images []namedImage) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	a := &archive{tw: tar.NewWriter(f), seen: map[v1.Hash]bool{}}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for _, image := range images {
		descriptor, err := a.image(image.image)
		if err != nil {
			return lang.Errorf("image %s: %w", "이미지 %s: %w", image.refs[0], err)
		}
		for _, ref := range append(image.refs, digestRef(image.refs[0], descriptor.Digest)) {
			named := descriptor
			named.Annotations = map[string]string{AnnotationName: ref}
			index.Manifests = append(index.Manifests, named)
		}
	}
	content, err := json.Marshal(index)
	if err != nil {
		return err
	}
	if err := a.file("index.json", content); err != nil {
		return err
	}
	if err := a.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	if err := a.tw.Close(); err != nil {
		return err
	}
	return f.Close()
}

// archive is a layout being written.
type archive struct {
	tw   *tar.Writer
	seen map[v1.Hash]bool
}

func (a *archive) file(name string, content []byte) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: epoch}
	if err := a.tw.WriteHeader(h); err != nil {
		return err
	}
	_, err := a.tw.Write(content)
	return err
}

func (a *archive) blob(h v1.Hash, content []byte) error {
	if a.seen[h] {
		return nil
	}
	a.seen[h] = true
	return a.file("blobs/"+h.Algorithm+"/"+h.Hex, content)
}

// image writes an image's layers, configuration and manifest.
func (a *archive) image(image v1.Image) (v1.Descriptor, error) {
	layers, err := image.Layers()
	if err != nil {
		return v1.Descriptor{}, err
	}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return v1.Descriptor{}, err
		}
		r, err := layer.Compressed()
		if err != nil {
			return v1.Descriptor{}, err
		}
		content, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return v1.Descriptor{}, lang.Errorf("reading a layer: %w", "레이어 읽기: %w", err)
		}
		if err := a.blob(digest, content); err != nil {
			return v1.Descriptor{}, err
		}
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return v1.Descriptor{}, err
	}
	configName, err := image.ConfigName()
	if err != nil {
		return v1.Descriptor{}, err
	}
	manifest, err := image.RawManifest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	digest, err := image.Digest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	if err := a.blob(configName, config); err != nil {
		return v1.Descriptor{}, err
	}
	if err := a.blob(digest, manifest); err != nil {
		return v1.Descriptor{}, err
	}
	mediaType, err := image.MediaType()
	return v1.Descriptor{MediaType: mediaType, Digest: digest, Size: int64(len(manifest))}, err
}
