package images

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func TestFull(t *testing.T) {
	for short, full := range map[string]string{
		"busybox:1.37":              "docker.io/library/busybox:1.37",
		"busybox":                   "docker.io/library/busybox:latest",
		"noriter/hello:v1":          "docker.io/noriter/hello:v1",
		"localhost:5000/team/x:2":   "localhost:5000/team/x:2",
		"docker.io/library/nginx:1": "docker.io/library/nginx:1",
		"not a reference":           "not a reference",
	} {
		if got := Full(short); got != full {
			t.Errorf("Full(%q) = %q, want %q", short, got, full)
		}
	}
}

func TestVersionRefs(t *testing.T) {
	want := []string{"docker.io/library/nginx:1.26", "docker.io/library/nginx:1.26.3", "docker.io/library/nginx:latest"}
	if got := versionRefs("nginx", "1.26.3"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDigestRefKeepsThePort(t *testing.T) {
	h := v1.Hash{Algorithm: "sha256", Hex: "00ff"}
	if got, want := digestRef("localhost:5000/x:2", h), "localhost:5000/x@sha256:00ff"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestResolveFollowsLinksInEveryPart(t *testing.T) {
	tr := newTree()
	tr.symlink("lib", "usr/lib")
	tr.symlink("usr/lib/libz.so.1", "libz.so.1.3.1")
	tr.add("usr/lib/libz.so.1.3.1", 0o644, []byte("z"))
	tr.symlink("loop", "loop")
	at, f, err := tr.resolve("/lib/libz.so.1")
	if err != nil || at != "usr/lib/libz.so.1.3.1" || string(f.content) != "z" {
		t.Errorf("got %q %q %v", at, f.content, err)
	}
	if _, _, err := tr.resolve("loop"); err == nil {
		t.Error("a link to itself resolved")
	}
	if _, _, err := tr.resolve("usr/absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

func sample() *tree {
	t := newTree()
	t.add("bin/tool", 0o755, []byte("tool"))
	t.symlink("bin/alias", "tool")
	t.dir("tmp", 0o777|fs.ModeSticky)
	return t
}

func TestTreeSurvivesATar(t *testing.T) {
	var first, second bytes.Buffer
	if err := sample().tar(&first); err != nil {
		t.Fatal(err)
	}
	if err := sample().tar(&second); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same tree gave two different archives")
	}
	modes := map[string]int64{}
	for tr := tar.NewReader(bytes.NewReader(first.Bytes())); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		modes[h.Name] = h.Mode
		if !h.ModTime.Equal(epoch) || h.Uid != 0 {
			t.Errorf("%s: time %s, owner %d", h.Name, h.ModTime, h.Uid)
		}
	}
	if modes["tmp/"] != 0o1777 || modes["bin/tool"] != 0o755 {
		t.Errorf("modes are %v", modes)
	}
	back, err := readTree(&first, func(p string) bool { return strings.HasPrefix(p, "bin/") })
	if err != nil {
		t.Fatal(err)
	}
	if f := back.files["bin/alias"]; f.link != "tool" {
		t.Errorf("alias came back as %+v", f)
	}
	if _, there := back.files["tmp"]; there {
		t.Error("what was not wanted came back")
	}
}

func TestReadTreeRefusesDanglingHardLink(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "b"}), w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := readTree(&b, keepAll); err == nil || !strings.Contains(err.Error(), "link to b") {
		t.Errorf("got %v", err)
	}
}

func FuzzReadTree(f *testing.F) {
	var b bytes.Buffer
	if err := sample().tar(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, archive []byte) {
		tr, err := readTree(bytes.NewReader(archive), keepAll)
		if err != nil {
			return
		}
		for p := range tr.files {
			if strings.HasPrefix(p, "/") || slices.Contains(strings.Split(p, "/"), "..") {
				t.Errorf("path %q leads out of the tree", p)
			}
			_, _, _ = tr.resolve(p) // must end, whatever the links
		}
	})
}

func TestArchiveNamesImagesAndSharesLayers(t *testing.T) {
	bottom, err := pack(sample(), "bottom")
	if err != nil {
		t.Fatal(err)
	}
	one := recipe{refs: []string{Full("one:1"), Full("one:latest")}, layers: []layer{bottom}, config: v1.Config{Cmd: []string{"sh"}}}
	two := recipe{refs: []string{Full("two:1")}, layers: []layer{bottom}, config: v1.Config{Entrypoint: []string{"/two"}}}
	var images []namedImage
	for _, r := range []recipe{one, two} {
		image, err := r.image()
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, namedImage{refs: r.refs, image: image})
	}
	path := filepath.Join(t.TempDir(), "images.tar")
	if err := writeArchive(path, images); err != nil {
		t.Fatal(err)
	}
	files := readArchive(t, path)
	var index v1.IndexManifest
	if err := json.Unmarshal(files["index.json"], &index); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range index.Manifests {
		names = append(names, m.Annotations[AnnotationName])
		if _, there := files["blobs/sha256/"+m.Digest.Hex]; !there {
			t.Errorf("manifest %s is not in the archive", m.Digest)
		}
	}
	want := []string{
		"docker.io/library/one:1", "docker.io/library/one:latest", "docker.io/library/one@" + index.Manifests[0].Digest.String(),
		"docker.io/library/two:1", "docker.io/library/two@" + index.Manifests[3].Digest.String(),
	}
	if !slices.Equal(names, want) {
		t.Errorf("names are %v, want %v", names, want)
	}
	// Two manifests, two configurations, one shared layer, and the two files of the layout.
	if len(files) != 7 {
		t.Errorf("archive has %d files, want 7", len(files))
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(files["blobs/sha256/"+index.Manifests[0].Digest.Hex], &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.MediaType != types.OCIManifestSchema1 || manifest.Layers[0].MediaType != types.OCILayerZStd {
		t.Errorf("media types are %s and %s", manifest.MediaType, manifest.Layers[0].MediaType)
	}
}

func readArchive(t *testing.T, path string) map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBuildSaysWhatIsMissing(t *testing.T) {
	if _, err := Build(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "CacheDir") {
		t.Errorf("got %v", err)
	}
	if _, err := Build(t.Context(), Options{CacheDir: t.TempDir(), BinDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "make") {
		t.Errorf("got %v", err)
	}
}

func TestSeedsGoToTheRegistryOnly(t *testing.T) {
	one, err := pack(sample(), "one")
	if err != nil {
		t.Fatal(err)
	}
	foreign := 0
	for _, r := range seeds(one, one, one, func(_, _ string) v1.Config { return v1.Config{} }) {
		if r.in != seedArchive || !strings.HasPrefix(r.refs[0], RegistryHost+":") {
			t.Errorf("%v would go to nodes", r.refs)
		}
		image, err := r.image()
		if err != nil {
			t.Fatal(err)
		}
		file, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if file.Architecture == foreignArch {
			foreign++
		}
	}
	if foreign != 1 || foreignArch == runtime.GOARCH {
		t.Errorf("%d images are for %s on a host of %s, want 1", foreign, foreignArch, runtime.GOARCH)
	}
}
