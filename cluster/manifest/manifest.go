// Package manifest brings what a cluster is installed with to the API: a stream of
// YAML documents, applied from the server's side.
package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

// fieldManager owns what Apply writes; a later Apply takes back what was edited by hand.
const fieldManager = "noriter-install"

// resources names the REST resource of each kind that is ever installed, which
// spares the installer a round of discovery.
var resources = map[string]string{
	"Namespace":          "namespaces",
	"ServiceAccount":     "serviceaccounts",
	"Role":               "roles",
	"RoleBinding":        "rolebindings",
	"ClusterRole":        "clusterroles",
	"ClusterRoleBinding": "clusterrolebindings",
	"ConfigMap":          "configmaps",
	"Service":            "services",
	"Deployment":         "deployments",
	"IngressClass":       "ingressclasses",

	"ValidatingAdmissionPolicy":        "validatingadmissionpolicies",
	"ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}

// Decode reads a stream of documents.
func Decode(stream []byte) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(stream), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading a manifest: %w", err)
		}
		if resources[object.GetKind()] == "" {
			return nil, fmt.Errorf("reading a manifest: the kind %q is not one that is installed", object.GetKind())
		}
		objects = append(objects, object)
	}
}

// Apply puts objects into the cluster, in their order, by server-side apply. It
// may be repeated; what is as it should be stays untouched.
func Apply(ctx context.Context, client dynamic.Interface, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		gvk := object.GroupVersionKind()
		gvr := schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: resources[gvk.Kind]}
		var at dynamic.ResourceInterface = client.Resource(gvr)
		if ns := object.GetNamespace(); ns != "" {
			at = client.Resource(gvr).Namespace(ns)
		}
		_, err := at.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
		if err != nil {
			return fmt.Errorf("applying %s %s: %w", gvk.Kind, object.GetName(), err)
		}
	}
	return nil
}
