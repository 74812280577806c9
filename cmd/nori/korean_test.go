package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes/fake"

	"noriter.dev/noriter/cluster/dns"
	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/cluster/install/pki"
	"noriter.dev/noriter/cluster/registry"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
	"noriter.dev/noriter/testbed/fault"
	"noriter.dev/noriter/testbed/openurl"
)

var hangul = regexp.MustCompile(`\p{Hangul}`)

// TestErrorsInKorean reads the errors that are compared with, and some of each
// area, in Korean.
func TestErrorsInKorean(t *testing.T) {
	lang.Set(lang.Korean)
	t.Cleanup(func() { lang.Set(lang.English) })
	for _, e := range koreanErrors(t) {
		if e.err == nil {
			t.Errorf("%s: no error", e.what)
		} else if s := e.err.Error(); !hangul.MatchString(s) {
			t.Errorf("%s is not in Korean: %s", e.what, s)
		}
	}
}

type namedError struct {
	what string
	err  error
}

func koreanErrors(t *testing.T) []namedError {
	t.Setenv("NORI_HOME", t.TempDir())
	home, err := testbed.FindHome()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		if err := os.MkdirAll(filepath.Join(home.Dir, "testbeds", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	g := &globals{}
	over, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	nori := func(words ...string) error { return typed(g, words[:1], words[1:]).err }
	errorOf := func(_ any, err error) error { return err }
	return []namedError{
		{"openurl.ErrNoWay", openurl.ErrNoWay},
		{"testbed.ErrNoTestbed", testbed.ErrNoTestbed},
		{"testbed.ErrNotUp", testbed.ErrNotUp},
		{"errNoRoot", errNoRoot()},
		{"too many arguments", nori("up", "extra")},
		{"a flag that is not known", nori("up", "--nosuch")},
		{"a command that is not known", nori("lab", "strat")},
		{"a value of -o", nori("status", "-o", "yaml")},
		{"several testbeds", errorOf(g.meant(home))},
		{"no testbed", errorOf(testbed.Open(home, "three"))},
		{"a fault that is not known", errorOf(fault.Find("node-of"))},
		{"what can't be opened", errorOf(openurl.Find(t.Context(), fake.NewClientset(), "default", "svc", "web", ""))},
		{"no kubeconfig", errorOf((&install.Cluster{Dir: home.Dir}).RESTConfig())},
		{"a cluster without a name", pki.Cluster{}.Validate()},
		{"no images", errorOf(images.Open(home.Dir))},
		{"no archive", registry.Archive(filepath.Join(home.Dir, "none.tar"), nil)},
		{"no DNS", errorOf(dns.Answering(over, func(context.Context, string, string) (net.Conn, error) { return nil, errors.ErrUnsupported }, "x:53", "x"))},
	}
}
