// Package deploy puts the ingress controller into a cluster: a Deployment whose
// pod has ports 80 and 443 of its node, with the objects that it needs, named as
// those of ingress-nginx are.
package deploy

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"strings"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"noriter.dev/noriter/cluster/manifest"
)

// The Deployment's namespace and name, those of package ingress, which whoever
// only installs the controller need not have.
const (
	Namespace = "ingress-nginx"
	Name      = "ingress-nginx-controller"
)

//go:embed ingress-nginx.yaml
var text string

var textTemplate = template.Must(template.New("ingress-nginx.yaml").Parse(text))

// Manifests returns the objects in the order of their needs, for an image.
func Manifests(image string) ([]*unstructured.Unstructured, error) {
	if image == "" || strings.ContainsAny(image, " \n{}\"'") {
		return nil, fmt.Errorf("the ingress controller's image %q: want the name of an image", image)
	}
	var out bytes.Buffer
	if err := textTemplate.Execute(&out, map[string]string{"Image": image}); err != nil {
		return nil, fmt.Errorf("writing the manifests of the ingress controller: %w", err)
	}
	objects, err := manifest.Decode(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("the ingress controller: %w", err)
	}
	return objects, nil
}

// Apply puts the objects into the cluster. It may be repeated.
func Apply(ctx context.Context, client dynamic.Interface, image string) error {
	objects, err := Manifests(image)
	if err != nil {
		return err
	}
	if err := manifest.Apply(ctx, client, objects); err != nil {
		return fmt.Errorf("the ingress controller: %w", err)
	}
	return nil
}
