package images

import (
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The names under which manifests speak of the images.
const (
	// PauseRef is the sandbox image; containerd's sandbox_image must be its full form.
	PauseRef = "noriter/pause:3.10"
	// CoreDNSVersion is that of the embedded library; a test holds it true.
	CoreDNSVersion = "1.15.0"
	// CoreDNSRef is the cluster's DNS.
	CoreDNSRef = "noriter/coredns:" + CoreDNSVersion
	// IngressRef is the ingress controller with its nginx.
	IngressRef = "noriter/ingress-nginx:v1"
	// HelloRef, HelloV2Ref and HelloV3Ref are the labs' web program. They differ
	// in the version that they report and the colour of their page, which is
	// what a rollout needs.
	HelloRef   = "noriter/hello:v1"
	HelloV2Ref = "noriter/hello:v2"
	HelloV3Ref = "noriter/hello:v3"
	// ToolboxRef has what one looks at a network with: bash, curl, dig.
	ToolboxRef = "noriter/toolbox:v1"
	// BusyboxRef and NginxRef carry the versions that Debian 13 ships, and
	// NginxOldRef that of Debian 12; their pages tell which is which.
	BusyboxRef  = "busybox:1.37"
	NginxRef    = "nginx:1.26"
	NginxOldRef = "nginx:1.22"
)

// Full returns the form of a short name under which containerd stores it:
// busybox:1.37 is docker.io/library/busybox:1.37. A name that can't be parsed
// comes back as it is.
func Full(ref string) string {
	tag, err := name.NewTag(ref)
	if err != nil {
		return ref
	}
	repository := tag.RepositoryStr()
	registry := tag.RegistryStr()
	// The library calls Docker's registry by its host; Kubernetes and
	// containerd call it docker.io.
	if registry == name.DefaultRegistry {
		registry = "docker.io"
	}
	return registry + "/" + repository + ":" + tag.TagStr()
}

// Refs returns every name of every image, in full form and sorted.
func (b *Bundle) Refs() []string {
	var all []string
	for _, i := range b.Images {
		all = append(all, i.Refs...)
	}
	slices.Sort(all)
	return all
}

// versionRefs returns names for a version such as 1.26.3 of an image: its
// minor release, the exact version, and latest.
func versionRefs(repository, version string) []string {
	refs := []string{}
	if parts := strings.SplitN(version, ".", 3); len(parts) == 3 {
		refs = append(refs, Full(repository+":"+parts[0]+"."+parts[1]))
	}
	return append(refs, Full(repository+":"+version), Full(repository+":latest"))
}

// digestRef returns the name by digest that goes with a name by tag.
func digestRef(ref string, digest v1.Hash) string {
	repository, _, _ := cutTag(ref)
	return repository + "@" + digest.String()
}

// cutTag splits host/repository:tag; a colon before the last slash is a port.
func cutTag(ref string) (repository, tag string, ok bool) {
	at := strings.LastIndex(ref, ":")
	if at < 0 || strings.Contains(ref[at:], "/") {
		return ref, "", false
	}
	return ref[:at], ref[at+1:], true
}
