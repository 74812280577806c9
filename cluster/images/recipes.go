package images

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"noriter.dev/noriter/internal/lang"
)

//go:embed content
var contentFS embed.FS

// The colours of pages, so that one sees from afar which version answers.
const (
	colorBlue   = "#e3f2fd"
	colorGreen  = "#e8f5e9"
	colorOrange = "#fff3e0"
)

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// recipe is one image: layers from the bottom up, and its configuration.
type recipe struct {
	refs   []string
	in     string // one of the archives; empty is appsArchive
	arch   string // the processor, in Go's word; empty is this host's
	layers []layer
	config v1.Config
}

// The archives that images are put into.
const (
	baseArchive = "base.tar"
	dnsArchive  = "dns.tar"
	appsArchive = "apps.tar"
	seedArchive = "seed.tar"
	// allArchive is all that nodes get.
	allArchive = "images.tar"
)

type layer struct {
	content v1.Layer
	why     string // shown by the image's history
}

// bake makes every image. busybox is the bottom of whatever a learner opens a
// shell in, and is one blob for all of them; pause and coredns have no shell, like the originals.
func bake(in *inputs) ([]namedImage, error) {
	shell, busyboxRefs, err := busybox(in.debian)
	if err != nil {
		return nil, err
	}
	web, err := nginx(in.debian)
	if err != nil {
		return nil, err
	}
	tools, err := toolbox(in.debian, web.shared)
	if err != nil {
		return nil, err
	}
	program := func(name string) (layer, error) {
		t := newTree()
		t.add(strings.TrimSuffix(name, "-"+foreignArch), 0o755, in.programs[name])
		return pack(t, "the program "+name)
	}
	pause, err1 := program("pause")
	coredns, err2 := program("coredns")
	hello, err3 := program("hello")
	ingress, err4 := program("nori-ingress")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	ingressConfig := v1.Config{Entrypoint: []string{"/nori-ingress"}, Cmd: []string{"ingress"}, Env: []string{defaultPath}, ExposedPorts: ports("80/tcp", "443/tcp")}
	helloConfig := func(version, color string) v1.Config {
		return v1.Config{
			Entrypoint: []string{"/hello"}, User: "65532:65532", Env: []string{defaultPath, "VERSION=" + version, "COLOR=" + color},
			ExposedPorts: ports("8080/tcp"),
		}
	}
	nginxConfig := v1.Config{
		Cmd: []string{"nginx", "-g", "daemon off;"}, Env: []string{defaultPath},
		ExposedPorts: ports("80/tcp"), StopSignal: "SIGQUIT",
	}
	recipes := []recipe{
		{refs: []string{Full(PauseRef)}, in: baseArchive, layers: []layer{pause},
			config: v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535", Env: []string{defaultPath}}},
		{refs: []string{Full(CoreDNSRef)}, in: dnsArchive, layers: []layer{coredns},
			config: v1.Config{Entrypoint: []string{"/coredns"}, Env: []string{defaultPath}, ExposedPorts: ports("53/tcp", "53/udp"), WorkingDir: "/"}},
		{refs: busyboxRefs, layers: []layer{shell},
			config: v1.Config{Cmd: []string{"sh"}, Env: []string{defaultPath}}},
		{refs: web.refs, layers: []layer{shell, web.libraries, web.site, web.now}, config: nginxConfig},
		{refs: web.oldRefs, layers: []layer{shell, web.libraries, web.site, web.old}, config: nginxConfig},
		{refs: []string{Full(IngressRef)}, layers: []layer{shell, web.libraries, web.site, web.now, ingress}, config: ingressConfig},
		{refs: []string{Full(HelloRef)}, layers: []layer{shell, hello}, config: helloConfig("v1", colorBlue)},
		{refs: []string{Full(HelloV2Ref)}, layers: []layer{shell, hello}, config: helloConfig("v2", colorGreen)},
		{refs: []string{Full(HelloV3Ref)}, layers: []layer{shell, hello}, config: helloConfig("v3", colorOrange)},
		{refs: []string{Full(ToolboxRef)}, layers: []layer{shell, web.libraries, tools},
			config: v1.Config{Cmd: []string{"bash"}, Env: []string{defaultPath}}},
	}
	foreign, err := program(foreignProgram)
	if err != nil {
		return nil, err
	}
	recipes = append(recipes, seeds(shell, hello, foreign, helloConfig)...)
	var made []namedImage
	for _, r := range recipes {
		image, err := r.image()
		if err != nil {
			return nil, lang.Errorf("image %s: %w", "이미지 %s: %w", r.refs[0], err)
		}
		made = append(made, namedImage{refs: r.refs, archive: cmp.Or(r.in, appsArchive), image: image})
	}
	return made, nil
}

func ports(list ...string) map[string]struct{} {
	m := map[string]struct{}{}
	for _, p := range list {
		m[p] = struct{}{}
	}
	return m
}

func pack(t *tree, why string) (layer, error) {
	l, err := layerOf(t)
	if err != nil {
		return layer{}, lang.Errorf("packing %s: %w", "레이어 만들기 (%s): %w", why, err)
	}
	return layer{content: l, why: why}, nil
}

func (r recipe) image() (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, l := range r.layers {
		var err error
		image, err = mutate.Append(image, mutate.Addendum{
			Layer:   l.content,
			History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "noriter", Comment: l.why},
		})
		if err != nil {
			return nil, err
		}
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", cmp.Or(r.arch, runtime.GOARCH)
	file.Created = v1.Time{Time: epoch}
	file.Config = r.config
	return mutate.ConfigFile(image, file)
}

// busybox lays out one static program under all of its names.
func busybox(debian *tree) (layer, []string, error) {
	t := newTree()
	if err := debian.copy(t, "usr/bin/busybox", "bin/busybox"); err != nil {
		return layer{}, nil, err
	}
	program := t.files["bin/busybox"].content
	version, err := versionIn(program, "busybox", busyboxVersion)
	if err != nil {
		return layer{}, nil, err
	}
	names, err := applets(program)
	if err != nil {
		return layer{}, nil, err
	}
	for _, name := range names {
		if name != "busybox" {
			t.symlink(path.Join("bin", name), "busybox")
		}
	}
	t.symlink("usr/bin/env", "../../bin/env") // where scripts look for it
	for _, dir := range []string{"home", "root", "run", "var/log", "var/spool", "var/www", "usr/sbin", "usr/local/bin"} {
		t.dir(dir, 0o755)
	}
	t.dir("tmp", 0o777|fs.ModeSticky)
	t.dir("var/tmp", 0o777|fs.ModeSticky)
	if err := addContent(t, "busybox"); err != nil {
		return layer{}, nil, err
	}
	l, err := pack(t, "busybox "+version+" from Debian "+suite)
	return l, versionRefs("busybox", version), err
}

// applets asks the program itself which commands it has.
func applets(program []byte) ([]string, error) {
	dir, err := os.MkdirTemp("", "noriter-busybox-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "busybox")
	if err := os.WriteFile(bin, program, 0o755); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, bin, "--list").Output()
	if err != nil {
		return nil, lang.Errorf("asking busybox for its commands: %w", "busybox에 명령 목록 묻기: %w", err)
	}
	return strings.Fields(string(out)), nil
}

// addContent copies the files kept beside this package for an image.
func addContent(t *tree, image string) error {
	root := path.Join("content", image)
	return fs.WalkDir(contentFS, root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := contentFS.ReadFile(p)
		if err != nil {
			return err
		}
		t.add(strings.TrimPrefix(p, root+"/"), 0o644, content)
		return nil
	})
}
