package fakeapi

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"
)

// tracker is client-go's store, with versions.
type tracker struct {
	clienttesting.ObjectTracker
	api *API
}

func (t tracker) Create(resource schema.GroupVersionResource, object runtime.Object, namespace string, options ...metav1.CreateOptions) error {
	t.api.complete(object.(metav1.Object))
	return t.ObjectTracker.Create(resource, object, namespace, options...)
}

func (t tracker) Update(resource schema.GroupVersionResource, object runtime.Object, namespace string, options ...metav1.UpdateOptions) error {
	current, err := t.Get(resource, namespace, object.(metav1.Object).GetName())
	if err != nil {
		return err
	}
	t.api.renew(object, current)
	return t.ObjectTracker.Update(resource, object, namespace, options...)
}

func (t tracker) Patch(resource schema.GroupVersionResource, object runtime.Object, namespace string, options ...metav1.PatchOptions) error {
	current, err := t.Get(resource, namespace, object.(metav1.Object).GetName())
	if err != nil {
		return err
	}
	t.api.renew(object, current)
	return t.ObjectTracker.Patch(resource, object, namespace, options...)
}
