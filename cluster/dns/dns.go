// Package dns puts the cluster's DNS in place: CoreDNS as a Deployment behind
// the Service kube-dns, with the objects that kubeadm would create. Names are those of
// https://github.com/kubernetes/dns/blob/master/docs/specification.md.
package dns

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/dynamic"

	"noriter.dev/noriter/cluster/manifest"
	"noriter.dev/noriter/internal/lang"
)

//go:embed coredns.yaml
var manifests string

var manifestsTemplate = template.Must(template.New("coredns.yaml").Parse(manifests))

// Options says how the DNS is set up.
type Options struct {
	// ClusterIP is the Service's address; empty means 10.96.0.10.
	ClusterIP string
	// Domain is the cluster's domain; empty means cluster.local.
	Domain string
	// Image is the container image (images.CoreDNSRef); required.
	Image string
	// Replicas is how many pods serve; 0 means 1.
	Replicas int
	// Forward is where questions about other domains go: a resolv.conf or
	// addresses. Empty: the answer is SERVFAIL, at
	// once, which is what a testbed without a way out wants.
	Forward string
}

func (o *Options) complete() error {
	if o.ClusterIP == "" {
		o.ClusterIP = "10.96.0.10"
	}
	if o.Domain == "" {
		o.Domain = "cluster.local"
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	var problems []error
	if _, err := netip.ParseAddr(o.ClusterIP); err != nil {
		problems = append(problems, fmt.Errorf("ClusterIP: %w", err))
	}
	for _, reason := range validation.IsDNS1123Subdomain(o.Domain) {
		problems = append(problems, fmt.Errorf("domain %q: %s", o.Domain, reason))
	}
	if o.Image == "" || strings.ContainsAny(o.Image, " \n{}\"'") {
		problems = append(problems, fmt.Errorf("image %q: want the name of an image", o.Image))
	}
	if o.Replicas < 0 {
		problems = append(problems, fmt.Errorf("replicas: %d is negative", o.Replicas))
	}
	if strings.ContainsAny(o.Forward, "\n{}") {
		problems = append(problems, fmt.Errorf("forward %q: want a file or addresses separated by spaces", o.Forward))
	}
	return errors.Join(problems...)
}

// YAML returns the manifests as one stream, in the order of their needs.
func YAML(o Options) ([]byte, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("options of the cluster's DNS: %w", err)
	}
	var out bytes.Buffer
	if err := manifestsTemplate.Execute(&out, o); err != nil {
		return nil, fmt.Errorf("writing the manifests of the cluster's DNS: %w", err)
	}
	return out.Bytes(), nil
}

// Manifests returns the objects in the order of their needs.
func Manifests(o Options) ([]*unstructured.Unstructured, error) {
	stream, err := YAML(o)
	if err != nil {
		return nil, err
	}
	objects, err := manifest.Decode(stream)
	if err != nil {
		return nil, lang.Errorf("the cluster's DNS: %w", "클러스터 DNS: %w", err)
	}
	return objects, nil
}

// Apply puts the objects into the cluster by server-side apply. It may be
// repeated; what is as it should be stays untouched.
func Apply(ctx context.Context, client dynamic.Interface, o Options) error {
	objects, err := Manifests(o)
	if err != nil {
		return err
	}
	if err := manifest.Apply(ctx, client, objects); err != nil {
		return lang.Errorf("the cluster's DNS: %w", "클러스터 DNS: %w", err)
	}
	return nil
}
