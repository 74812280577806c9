package ingress

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// readWorld reads a world from manifests.
func readWorld(t testing.TB, stream []byte) world {
	t.Helper()
	w := world{Services: map[string]*v1.Service{}, Slices: map[string][]*discoveryv1.EndpointSlice{}, Secrets: map[string]*v1.Secret{}}
	documents := yamlstream.NewYAMLReader(bufio.NewReader(bytes.NewReader(stream)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return w
		}
		if err != nil {
			t.Fatal(err)
		}
		w.take(t, document)
	}
}

func (w *world) take(t testing.TB, document []byte) {
	t.Helper()
	var kind struct{ Kind string }
	if err := yaml.Unmarshal(document, &kind); err != nil {
		t.Fatal(err)
	}
	read := func(into any) {
		if err := yaml.UnmarshalStrict(document, into); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
	}
	switch kind.Kind {
	case "Ingress":
		o := &networkingv1.Ingress{}
		read(o)
		w.Ingresses = append(w.Ingresses, o)
	case "Service":
		o := &v1.Service{}
		read(o)
		w.Services[o.Namespace+"/"+o.Name] = o
	case "EndpointSlice":
		o := &discoveryv1.EndpointSlice{}
		read(o)
		k := o.Namespace + "/" + o.Labels[discoveryv1.LabelServiceName]
		w.Slices[k] = append(w.Slices[k], o)
	case "Secret":
		o := &v1.Secret{}
		read(o)
		w.Secrets[o.Namespace+"/"+o.Name] = o
	default:
		t.Fatalf("a world has no %q", kind.Kind)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
