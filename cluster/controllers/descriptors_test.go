package controllers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	metadatafake "k8s.io/client-go/metadata/fake"
	"k8s.io/client-go/util/cert"
)

func TestNamesAreUnique(t *testing.T) {
	names := Names()
	for _, d := range descriptors {
		if d.alias != "" {
			names = append(names, d.alias)
		}
	}
	want := len(names)
	slices.Sort(names)
	if len(slices.Compact(names)) != want {
		t.Errorf("names and aliases %v", names)
	}
	if canonical("") != "" {
		t.Errorf("no name stands for %s", canonical(""))
	}
}

// What is learnt here about --controllers is true of kube-controller-manager.
func TestNamesAreUpstreams(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "k8s.io/kubernetes/cmd/kube-controller-manager/names").Output()
	if err != nil {
		t.Fatal(err)
	}
	source := func(pattern string) string {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no file is called %s (%v)", pattern, err)
		}
		var all strings.Builder
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
		return all.String()
	}
	dir := strings.TrimSpace(string(out))
	names := source(filepath.Join(dir, "controller_names.go"))
	descriptions := source(filepath.Join(dir, "../app/*.go"))
	constant := func(name string) string {
		if found := regexp.MustCompile(`(\w+) += "` + name + `"`).FindStringSubmatch(names); found != nil {
			return found[1]
		}
		return ""
	}
	for _, d := range descriptors {
		name := constant(d.name)
		if name == "" {
			t.Errorf("%s is no controller of upstream's", d.name)
			continue
		}
		alias := regexp.MustCompile(`names\.` + name + `,\s+aliases: +\[\]string\{"([^"]+)"\}`).FindStringSubmatch(descriptions)
		if got := append(alias, "", "")[1]; got != d.alias {
			t.Errorf("%s has the alias %q, upstream's is %q", d.name, d.alias, got)
		}
	}
}

// files makes the key and the certificate that some loops read.
func files(t *testing.T, o *Options) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "test"}, key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	o.ServiceAccountKeyFile, o.RootCAFile = filepath.Join(dir, "sa.key"), filepath.Join(dir, "ca.crt")
	for file, block := range map[string]*pem.Block{
		o.ServiceAccountKeyFile: {Type: "EC PRIVATE KEY", Bytes: encoded},
		o.RootCAFile:            {Type: cert.CertificateBlockType, Bytes: ca.Raw},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// discoverable is a client of an API server with one kind, which can't even be listed. The
// loop that deletes namespaces ends the process if there is none at all.
type discoverable struct{ *fake.Clientset }

type oneKind struct{ discovery.DiscoveryInterfaces }

func (c discoverable) Discovery() discovery.DiscoveryInterfaces {
	return oneKind{c.Clientset.Discovery()}
}

func (oneKind) ServerPreferredNamespacedResources() ([]*metav1.APIResourceList, error) {
	return []*metav1.APIResourceList{{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "configmaps", Namespaced: true, Kind: "ConfigMap"}}}}, nil
}

// A kind that a loop reads whole, and whose row does not say so, would be held a second
// time as metadata. One that only its row names would be held whole for nobody.
func TestRowsNameWhatLoopsRead(t *testing.T) {
	o := options(t)
	files(t, o)
	for _, d := range descriptors {
		t.Run(d.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			c := newControllerContext(ctx, *o, discoverable{fake.NewClientset()}, metadatafake.NewSimpleMetadataClient(metadatafake.NewTestScheme()))
			defer c.stop()
			defer cancel()
			if _, err := d.make(ctx, c); err != nil {
				t.Fatal(err)
			}
			var got []string
			c.typed.Start(ctx.Done())
			for kind := range c.typed.WaitForCacheSync(ctx.Done()) {
				kinds, _, err := scheme.Scheme.ObjectKinds(reflect.New(kind.Elem()).Interface().(runtime.Object))
				if err != nil {
					t.Fatal(err)
				}
				resource, _ := meta.UnsafeGuessKindToResource(kinds[0])
				got = append(got, resource.GroupResource().String())
			}
			if d.name == "resourcequota-controller" { // when it counts, through the mixed factory
				got = append(got, strings.Fields(quotaCounts)...)
			}
			want := strings.Fields(d.reads)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("reads %v, and its row says %v", got, want)
			}
		})
	}
}

// What loops of ours read whole must not be kept a second time as metadata.
func TestWholeObjects(t *testing.T) {
	whole := readWhole()
	for _, resource := range []schema.GroupResource{{Resource: "pods"}, {Resource: "persistentvolumes"}, {Group: "apps", Resource: "replicasets"}, {Group: "discovery.k8s.io", Resource: "endpointslices"}} {
		if !whole[resource] {
			t.Errorf("%v is kept twice", resource)
		}
	}
	if whole[schema.GroupResource{Resource: "secrets"}] || whole[schema.GroupResource{Resource: "configmaps"}] {
		t.Error("secrets and config maps are kept whole, though nobody reads them")
	}
}
