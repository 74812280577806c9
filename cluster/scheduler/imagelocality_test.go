package scheduler

import (
	"testing"
)

func TestImageNames(t *testing.T) {
	for name, want := range map[string]string{
		"nginx": "docker.io/library/nginx:latest", "nginx:1.26": "docker.io/library/nginx:1.26",
		"noriter/hello:v1": "docker.io/noriter/hello:v1", "registry.example:5000/a/b": "registry.example:5000/a/b:latest",
		"localhost/x:1": "localhost/x:1",
	} {
		names := imageNames(name)
		if got := names[len(names)-1]; got != want {
			t.Errorf("imageNames(%q) = %q, want %q last", name, names, want)
		}
	}
}
