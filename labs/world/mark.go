package world

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// OriginAnnotation says from which folder the lab or quiz is that made a namespace, or
// another object of the whole cluster.
const OriginAnnotation = "noriter.dev/origin"

// ForAnnotation on another object of the whole cluster says with which namespace it goes.
const ForAnnotation = "noriter.dev/for-namespace"

// Mark says on an object of the whole cluster who made it, and with which namespace it
// goes, whatever its manifest says of that.
func (n *Namespace) Mark(obj *unstructured.Unstructured) {
	labels, annotations := obj.GetLabels(), obj.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	for key, value := range n.Labels {
		labels[key], _ = value.(string) // all of them are
	}
	annotations[ForAnnotation] = n.Name
	delete(annotations, OriginAnnotation)
	if n.Origin != "" {
		annotations[OriginAnnotation] = n.Origin
	}
	obj.SetLabels(labels)
	obj.SetAnnotations(annotations)
}

// Made tells whether an object of the whole cluster was made by this lab or quiz: it has
// its mark.
func (n *Namespace) Made(obj *unstructured.Unstructured) bool {
	origin := obj.GetAnnotations()[OriginAnnotation]
	return n.labelled(obj) && origin == n.Origin
}

// Ends tells whether an object goes with this namespace.
func (n *Namespace) Ends(obj *unstructured.Unstructured) bool {
	return n.Made(obj) && obj.GetAnnotations()[ForAnnotation] == n.Name
}

// labelled tells whether an object has a label of this lab or quiz, from wherever it is.
func (n *Namespace) labelled(obj *unstructured.Unstructured) bool {
	labels := obj.GetLabels()
	for key, value := range n.Labels {
		if labels[key] == value {
			return true
		}
	}
	return false
}

// made is Made for a namespace, of an older version too, which noted no origin. One that
// only has the name is somebody's who likes the name.
func (n *Namespace) made(ns *unstructured.Unstructured) bool {
	old := ns.GetAnnotations()[OriginAnnotation] == "" && !n.Twin
	return n.Made(ns) || n.labelled(ns) && old
}
