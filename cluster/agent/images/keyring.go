package images

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// keyring holds a pod's registry credentials by the place they are for (DockerKeyring in
// pkg/credentialprovider/keyring.go). Credentials belong to a registry or to a part of it,
// and are never sent anywhere else: an image's name alone decides who gets to see them.
type keyring map[string][]*cri.AuthConfig

// login is one entry of a Docker configuration.
type login struct{ username, password string }

// UnmarshalJSON reads username and password, or auth, which has both and wins.
func (l *login) UnmarshalJSON(data []byte) error {
	var raw struct {
		Username string `json:"username"`
		Password string `json:"password"`
		Auth     string `json:"auth"` // base64 of username:password
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	l.username, l.password = raw.Username, raw.Password
	if raw.Auth == "" {
		return nil
	}
	// Docker pads, some tools that write such files by hand do not.
	encoding := base64.RawStdEncoding
	if strings.HasSuffix(strings.TrimSpace(raw.Auth), "=") {
		encoding = base64.StdEncoding
	}
	decoded, err := encoding.DecodeString(raw.Auth)
	if err != nil {
		return err
	}
	var ok bool
	if l.username, l.password, ok = strings.Cut(string(decoded), ":"); !ok {
		return errors.New("unable to parse auth field, must be formatted as base64(username:password)")
	}
	return nil
}

// newKeyring reads secrets of the types kubernetes.io/dockerconfigjson and
// kubernetes.io/dockercfg; others are passed over. One that can't be read fails
// the whole, in the words of what could not read it, as upstream.
func newKeyring(secrets []*v1.Secret) (keyring, error) {
	ring := keyring{}
	for _, s := range secrets {
		logins, err := readLogins(s)
		if err != nil {
			return nil, err
		}
		for place, l := range logins {
			key, ok := placeKey(place)
			if ok {
				ring[key] = append(ring[key], &cri.AuthConfig{Username: l.username, Password: l.password})
			}
		}
	}
	return ring, nil
}

// readLogins takes a secret apart. The newer of the two types has one level more around
// the same entries.
func readLogins(s *v1.Secret) (map[string]login, error) {
	whole, part := s.Data[v1.DockerConfigJsonKey], s.Data[v1.DockerConfigKey]
	switch {
	case s.Type == v1.SecretTypeDockerConfigJson && len(whole) > 0:
		var config struct {
			Auths map[string]login `json:"auths"`
		}
		err := json.Unmarshal(whole, &config)
		return config.Auths, err
	case s.Type == v1.SecretTypeDockercfg && len(part) > 0:
		var logins map[string]login
		err := json.Unmarshal(part, &logins)
		return logins, err
	}
	return nil, nil
}

// placeKey drops what Docker's tools add to a registry's name: the scheme and
// /v1/ or /v2/. A place that is no URL has no key.
func placeKey(place string) (string, bool) {
	if !strings.HasPrefix(place, "https://") && !strings.HasPrefix(place, "http://") {
		place = "https://" + place
	}
	u, err := url.Parse(place)
	if err != nil {
		return "", false
	}
	path := u.Path
	if strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/v2/") {
		path = path[len("/v1"):]
	}
	if path == "/" {
		path = ""
	}
	return u.Host + path, true
}

// lookup returns the credentials for a repository ("host:port/path"), those of the
// longest matching place first. A place matches by host, whose parts may be globs
// (*.example.com), and by its path as a prefix.
func (k keyring) lookup(repository string) []*cri.AuthConfig {
	places := slices.Sorted(maps.Keys(k)) // a place sorts before those that go on from it
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

// matches tells whether a place covers a repository (URLsMatch in
// pkg/credentialprovider/keyring.go). A glob stands for one part of a host's name and no
// more: *.example.com does not cover a.b.example.com.
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
