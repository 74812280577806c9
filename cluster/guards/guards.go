// Package guards keeps objects from taking what the machines live on: their addresses,
// and the ports on which they listen. It puts two ValidatingAdmissionPolicies into the
// cluster; guards.yaml is them. Upstream's plug-in DenyServiceExternalIPs would refuse
// every external address, also those that take nothing from anybody.
package guards

import (
	"bytes"
	"context"
	_ "embed"
	"net/netip"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"noriter.dev/noriter/cluster/manifest"
	"noriter.dev/noriter/internal/lang"
)

//go:embed guards.yaml
var text string

var textTemplate = template.Must(template.New("guards.yaml").Parse(text))

// ports are those on which something of a machine listens (TCP).
var ports = []int{
	22,               // SSH, by which nori reaches it
	2379, 2380, 2381, // etcd
	5000, 5443, // the registry
	6443,         // the API server
	10248, 10250, // the agent
	10256,        // the proxy
	10257, 10259, // controllers, scheduler
}

// Manifests returns the objects for a cluster whose machines, Services and pods have
// addresses of these networks.
func Manifests(networks []netip.Prefix) ([]*unstructured.Unstructured, error) {
	var out bytes.Buffer
	if err := textTemplate.Execute(&out, map[string]any{"Networks": networks, "Ports": ports}); err != nil {
		return nil, lang.Errorf("writing the guards: %w", "보호 정책 쓰기: %w", err)
	}
	objects, err := manifest.Decode(out.Bytes())
	if err != nil {
		return nil, lang.Errorf("the guards: %w", "보호 정책: %w", err)
	}
	return objects, nil
}

// Apply puts the objects into the cluster. It may be repeated.
func Apply(ctx context.Context, client dynamic.Interface, networks []netip.Prefix) error {
	objects, err := Manifests(networks)
	if err != nil {
		return err
	}
	if err := manifest.Apply(ctx, client, objects); err != nil {
		return lang.Errorf("the guards: %w", "보호 정책: %w", err)
	}
	return nil
}
