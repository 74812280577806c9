package component

import (
	"k8s.io/apimachinery/pkg/api/meta"
)

// Slim drops from objects, before they go into a cache, what no loop reads:
// managedFields, which often are the larger part of an object. An update of such an
// object leaves them as they are on the server. It is an informer's transform.
func Slim(obj any) (any, error) {
	if m, err := meta.Accessor(obj); err == nil && len(m.GetManagedFields()) > 0 {
		m.SetManagedFields(nil)
	}
	return obj, nil // a tombstone has none, and passes as it is
}
