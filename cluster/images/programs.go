package images

import (
	"bytes"
	"slices"

	"noriter.dev/noriter/internal/lang"
)

// webLayers are the parts of the two nginx images.
type webLayers struct {
	libraries layer    // what both map; the toolbox has it, too
	shared    []string // the paths in libraries
	site      layer    // the configuration, laid out like that of the image everybody knows
	now, old  layer    // the program, and a page that tells which it is
	refs      []string
	oldRefs   []string
}

// nginx takes Debian's program, of this release and of the one before, with
// the libraries that they map.
func nginx(debian *tree) (webLayers, error) {
	const program = "usr/sbin/nginx"
	var w webLayers
	var err error
	if w.shared, err = debian.libraries(program); err != nil {
		return w, lang.Errorf("finding the libraries of nginx: %w", "nginx의 라이브러리 찾기: %w", err)
	}
	libraries := newTree()
	if err := copyAll(debian, libraries, w.shared); err != nil {
		return w, err
	}
	if w.libraries, err = pack(libraries, "libraries from Debian "+suite); err != nil {
		return w, err
	}
	if w.site, err = nginxSite(debian); err != nil {
		return w, err
	}
	if w.now, w.refs, err = nginxProgram(debian, program, w.shared, suite, colorGreen); err != nil {
		return w, err
	}
	w.old, w.oldRefs, err = nginxProgram(debian, oldNginx, w.shared, oldSuite, colorOrange)
	// What people mean by no tag at all is the newer one.
	w.oldRefs = slices.DeleteFunc(w.oldRefs, func(ref string) bool { return ref == Full("nginx") })
	return w, err
}

func nginxSite(debian *tree) (layer, error) {
	t := newTree()
	for _, name := range []string{"mime.types", "fastcgi_params", "scgi_params", "uwsgi_params"} {
		if err := debian.copy(t, "etc/nginx/"+name, "etc/nginx/"+name); err != nil {
			return layer{}, err
		}
	}
	for _, dir := range []string{"var/lib/nginx", "var/cache/nginx", "run"} {
		t.dir(dir, 0o755)
	}
	// kubectl logs shows what a process prints, so that is where the logs go.
	t.symlink("var/log/nginx/access.log", "/dev/stdout")
	t.symlink("var/log/nginx/error.log", "/dev/stderr")
	if err := addContent(t, "nginx"); err != nil {
		return layer{}, err
	}
	delete(t.files, indexPage)
	return pack(t, "nginx's configuration")
}

// indexPage is nginx's first page; VERSION and COLOR in it are filled in.
const indexPage = "usr/share/nginx/html/index.html"

// nginxProgram is the layer of one version; shared libraries are there already.
func nginxProgram(debian *tree, program string, shared []string, from, color string) (layer, []string, error) {
	t := newTree()
	if err := debian.copy(t, program, "usr/sbin/nginx"); err != nil {
		return layer{}, nil, err
	}
	version, err := versionIn(t.files["usr/sbin/nginx"].content, "nginx", nginxVersion)
	if err != nil {
		return layer{}, nil, err
	}
	if err := ownLibraries(debian, t, program, shared); err != nil {
		return layer{}, nil, err
	}
	page, err := contentFS.ReadFile("content/nginx/" + indexPage)
	if err != nil {
		return layer{}, nil, err
	}
	page = bytes.ReplaceAll(page, []byte("VERSION"), []byte(version))
	t.add(indexPage, 0o644, bytes.ReplaceAll(page, []byte("COLOR"), []byte(color)))
	l, err := pack(t, "nginx "+version+" from Debian "+from)
	return l, versionRefs("nginx", version), err
}

// toolbox takes what one looks at a network with; shared libraries are there already.
func toolbox(debian *tree, shared []string) (layer, error) {
	t := newTree()
	for from, to := range map[string]string{"usr/bin/bash": "bin/bash", "usr/bin/curl": "usr/bin/curl", "usr/bin/dig": "usr/bin/dig"} {
		if err := debian.copy(t, from, to); err != nil {
			return layer{}, err
		}
		if err := ownLibraries(debian, t, from, shared); err != nil {
			return layer{}, err
		}
	}
	return pack(t, "bash, curl and dig from Debian "+suite)
}

// ownLibraries copies what a program maps beyond what is shared.
func ownLibraries(debian, to *tree, program string, shared []string) error {
	libraries, err := debian.libraries(program)
	if err != nil {
		return lang.Errorf("finding the libraries of %s: %w", "%s의 라이브러리 찾기: %w", program, err)
	}
	own := slices.DeleteFunc(libraries, func(p string) bool { return slices.Contains(shared, p) })
	return copyAll(debian, to, own)
}

func copyAll(from, to *tree, paths []string) error {
	for _, p := range paths {
		if err := from.copy(to, p, p); err != nil {
			return err
		}
	}
	return nil
}
