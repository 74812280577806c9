package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/caddy/caddyfile"
	"github.com/coredns/coredns/core/dnsserver"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/cluster/dns"
)

// TestCorefileNeedsNoOtherPlugin parses the Corefile that clusters get.
func TestCorefileNeedsNoOtherPlugin(t *testing.T) {
	objects, err := dns.Manifests(dns.Options{Image: "x", Forward: "/etc/resolv.conf"})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		corefile, found, err := unstructured.NestedString(object.Object, "data", "Corefile")
		if err != nil || !found {
			continue
		}
		blocks, err := caddyfile.Parse("Corefile", strings.NewReader(corefile), directives)
		if err != nil || len(blocks) != 1 || len(blocks[0].Tokens) < 8 {
			t.Errorf("%d blocks, %v", len(blocks), err)
		}
		return
	}
	t.Error("there is no Corefile in the manifests")
}

// TestEveryDirectiveHasItsPlugin: a name in the list without its import would
// be accepted in a Corefile and fail at the start.
func TestEveryDirectiveHasItsPlugin(t *testing.T) {
	upstream := slices.Clone(dnsserver.Directives)
	last := -1
	for _, d := range directives {
		if _, err := caddy.DirectiveAction("dns", d); err != nil {
			t.Errorf("%s: %v", d, err)
		}
		at := slices.Index(upstream, d)
		if at <= last {
			t.Errorf("%s is not where upstream has it", d)
		}
		last = at
	}
}
