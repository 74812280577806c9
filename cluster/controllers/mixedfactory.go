package controllers

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata/metadatainformer"
)

// mixedFactory serves the garbage collector and quotas, which look at every kind there
// is (upstream's ObjectOrMetadataInformerFactory). Of kinds that some loop reads whole
// they use the same cache; of all others they need only metadata, which takes a tenth of
// the memory.
type mixedFactory struct {
	typed    informers.SharedInformerFactory
	metadata metadatainformer.SharedInformerFactory
	whole    map[schema.GroupResource]bool
}

// ForResource returns the informer of a kind.
func (f mixedFactory) ForResource(resource schema.GroupVersionResource) (informers.GenericInformer, error) {
	if f.whole[resource.GroupResource()] {
		if informer, err := f.typed.ForResource(resource); err == nil {
			return informer, nil
		}
	}
	return f.metadata.ForResource(resource), nil
}

// Start runs the informers that have been asked for since the last call: those of kinds
// that were found later included.
func (f mixedFactory) Start(stop <-chan struct{}) {
	f.typed.Start(stop)
	f.metadata.Start(stop)
}
