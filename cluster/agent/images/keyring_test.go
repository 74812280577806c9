package images

import (
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func secret(json string) *v1.Secret {
	return &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Type: v1.SecretTypeDockerConfigJson, Data: map[string][]byte{v1.DockerConfigJsonKey: []byte(json)}}
}

func TestLookup(t *testing.T) {
	ring, err := newKeyring([]*v1.Secret{secret(`{"auths": {
		"https://index.docker.io/v1/": {"auth": "aHViOnB3"},
		"registry.test:5000": {"username": "whole", "password": "p"},
		"registry.test:5000/team": {"username": "team", "password": "p"},
		"*.glob.test": {"username": "glob", "password": "p"}
	}}`)})
	if err != nil {
		t.Fatal(err)
	}
	for repository, want := range map[string]string{
		"docker.io/library/busybox":   "hub",
		"registry.test:5000/x":        "whole",
		"registry.test:5000/team/app": "team whole",
		"registry.test/x":             "",
		"a.glob.test/x":               "glob",
		"a.b.glob.test/x":             "",
	} {
		var users []string
		for _, auth := range ring.lookup(repository) {
			users = append(users, auth.Username)
		}
		if got := strings.Join(users, " "); got != want {
			t.Errorf("%s: %q, want %q", repository, got, want)
		}
	}
}

func TestSecretsAsUpstreamReadsThem(t *testing.T) {
	for config, want := range map[string]string{
		`{"auths": {"r.test": {"username": "u", "password": "p"}}}`:                   "u:p",
		`{"auths": {"https://r.test": {"auth": "dTpw"}}}`:                             "u:p",
		`{"auths": {"http://r.test/v2/": {"auth": "dTpwOnE="}}}`:                      "u:p:q",
		`{"auths": {"r.test/": {"username": "x", "password": "y", "auth": "dTpw"}}}`:  "u:p", // auth wins
		`{"auths": {"r.test/v2": {"username": "u", "password": "p"}}}`:                "",    // a path of that name
		`{"auths": {"r.test:443": {"username": "u", "password": "p"}}}`:               "",    // another port
		`{"auths": {"r.test/x": {"username": "u", "password": "p"}, "://": {}}}`:      "u:p", // no URL: passed over
		`{"auths": {"r.test": {"auth": "%"}}}`:                                        "error: illegal base64 data at input byte 0",
		`{"auths": {"r.test": {"auth": "dTpw"}, "s.test": {"auth": "bm9jb2xvbg=="}}}`: "error: unable to parse auth field, must be formatted as base64(username:password)",
		`{`: "error: unexpected end of JSON input",
	} {
		got := ""
		ring, err := newKeyring([]*v1.Secret{secret(config), {Type: v1.SecretTypeOpaque}})
		for _, auth := range ring.lookup("r.test/x") {
			got = auth.Username + ":" + auth.Password
		}
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", config, got, want)
		}
	}
	old := &v1.Secret{Type: v1.SecretTypeDockercfg, Data: map[string][]byte{v1.DockerConfigKey: []byte(`{"r.test": {"auth": "dTpw"}}`)}}
	if ring, err := newKeyring([]*v1.Secret{old}); err != nil || len(ring.lookup("r.test/x")) != 1 {
		t.Errorf("of the old type: %v, %v", ring, err)
	}
}

func FuzzKeyring(f *testing.F) {
	f.Add(`{"auths": {"r.test/a": {"auth": "aHViOnB3"}}}`, "r.test/a/b")
	f.Fuzz(func(t *testing.T, config, repository string) {
		ring, err := newKeyring([]*v1.Secret{secret(config)})
		if found := ring.lookup(repository); len(found) > 0 && err == nil && len(ring) == 0 {
			t.Error("found something in nothing")
		}
	})
}
