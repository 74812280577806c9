package pull

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Keyring holds a pod's registry credentials by the place they are for.
type Keyring map[string][]*cri.AuthConfig

// login is one entry of a Docker configuration.
type login struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"` // base64 of username:password
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// NewKeyring reads secrets of the types kubernetes.io/dockerconfigjson and
// kubernetes.io/dockercfg. A broken one is named in the error; the rest is used.
func NewKeyring(secrets []*v1.Secret) (Keyring, error) {
	ring := Keyring{}
	var broken []string
	for _, s := range secrets {
		logins, err := readLogins(s)
		if err != nil {
			broken = append(broken, fmt.Sprintf("%s: %v", s.Name, err))
			continue
		}
		for place, l := range logins {
			auth, err := l.authConfig()
			if err != nil {
				broken = append(broken, fmt.Sprintf("%s: %s: %v", s.Name, place, err))
				continue
			}
			key := placeKey(place)
			ring[key] = append(ring[key], auth)
		}
	}
	if len(broken) > 0 {
		return ring, fmt.Errorf("unreadable image pull secrets: %s", strings.Join(broken, "; "))
	}
	return ring, nil
}

func readLogins(s *v1.Secret) (map[string]login, error) {
	switch {
	case s.Type == v1.SecretTypeDockerConfigJson:
		var config struct {
			Auths map[string]login `json:"auths"`
		}
		err := json.Unmarshal(s.Data[v1.DockerConfigJsonKey], &config)
		return config.Auths, err
	case s.Type == v1.SecretTypeDockercfg:
		var logins map[string]login
		err := json.Unmarshal(s.Data[v1.DockerConfigKey], &logins)
		return logins, err
	}
	return nil, fmt.Errorf("a secret of type %q holds no registry credentials", s.Type)
}

func (l login) authConfig() (*cri.AuthConfig, error) {
	auth := &cri.AuthConfig{
		Username: l.Username, Password: l.Password,
		IdentityToken: l.IdentityToken, RegistryToken: l.RegistryToken,
	}
	if l.Auth == "" || l.Username != "" {
		return auth, nil
	}
	raw, err := base64.StdEncoding.DecodeString(l.Auth)
	if err != nil {
		return nil, fmt.Errorf("auth is not base64: %w", err)
	}
	user, password, ok := strings.Cut(string(raw), ":")
	if !ok {
		return nil, fmt.Errorf("auth is not username:password")
	}
	auth.Username, auth.Password = user, strings.TrimRight(password, "\x00")
	return auth, nil
}

// placeKey drops what Docker's tools add to a registry's name: the scheme and /v1/.
func placeKey(place string) string {
	place = strings.TrimPrefix(strings.TrimPrefix(place, "https://"), "http://")
	host, path, _ := strings.Cut(place, "/")
	for _, version := range []string{"v1", "v2"} {
		if path == version || strings.HasPrefix(path, version+"/") {
			path = strings.TrimPrefix(strings.TrimPrefix(path, version), "/")
		}
	}
	if path == "" {
		return host
	}
	return host + "/" + path
}

// Lookup returns the credentials for a repository ("host:port/path"), those of the
// longest matching place first. A place matches by host, whose parts may be globs
// (*.example.com), and by its path as a prefix.
func (k Keyring) Lookup(repository string) []*cri.AuthConfig {
	places := make([]string, 0, len(k))
	for place := range k {
		places = append(places, place)
	}
	slices.Sort(places)
	slices.Reverse(places)
	var found []*cri.AuthConfig
	for _, place := range places {
		if matches(place, repository) {
			found = append(found, k[place]...)
		}
	}
	if len(found) == 0 && strings.HasPrefix(repository, "docker.io/") {
		found = k["index.docker.io"] // where docker login writes the default registry's
	}
	return found
}

func matches(glob, target string) bool {
	g, err := url.Parse("https://" + glob)
	if err != nil {
		return false
	}
	t, err := url.Parse("https://" + target)
	if err != nil || g.Port() != t.Port() || !strings.HasPrefix(t.Path, g.Path) {
		return false
	}
	if net.ParseIP(g.Hostname()) != nil {
		return g.Hostname() == t.Hostname()
	}
	globParts, parts := strings.Split(g.Hostname(), "."), strings.Split(t.Hostname(), ".")
	if len(globParts) != len(parts) {
		return false
	}
	for i := range parts {
		if ok, err := filepath.Match(globParts[i], parts[i]); err != nil || !ok {
			return false
		}
	}
	return true
}
