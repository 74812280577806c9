package pull

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
	ring, err := NewKeyring([]*v1.Secret{secret(`{"auths": {
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
		for _, auth := range ring.Lookup(repository) {
			users = append(users, auth.Username)
		}
		if got := strings.Join(users, " "); got != want {
			t.Errorf("%s: %q, want %q", repository, got, want)
		}
	}
}

func TestBrokenSecretIsNamed(t *testing.T) {
	good := secret(`{"auths": {"r.test": {"username": "u", "password": "p"}}}`)
	for _, broken := range []*v1.Secret{secret(`{`), secret(`{"auths": {"x": {"auth": "%"}}}`), {ObjectMeta: metav1.ObjectMeta{Name: "s"}, Type: v1.SecretTypeOpaque}} {
		ring, err := NewKeyring([]*v1.Secret{broken, good})
		if err == nil || !strings.Contains(err.Error(), "s: ") {
			t.Errorf("%v", err)
		}
		if len(ring.Lookup("r.test/x")) != 1 {
			t.Error("the good one is lost")
		}
	}
}

func FuzzKeyring(f *testing.F) {
	f.Add(`{"auths": {"r.test/a": {"auth": "aHViOnB3"}}}`, "r.test/a/b")
	f.Fuzz(func(t *testing.T, config, repository string) {
		ring, err := NewKeyring([]*v1.Secret{secret(config)})
		if found := ring.Lookup(repository); len(found) > 0 && err == nil && len(ring) == 0 {
			t.Error("found something in nothing")
		}
	})
}
