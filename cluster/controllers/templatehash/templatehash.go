// Package templatehash names a pod template by a short hash, for the controllers
// that keep several versions of one.
package templatehash

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"strconv"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/dump"
)

// Of is the hash that ends the names of ReplicaSets and ControllerRevisions, and the
// value of the labels pod-template-hash and controller-revision-hash. It is upstream's
// ComputeHash (pkg/controller/controller_utils.go), so that names look the same.
// collisions, which may be nil, is status.collisionCount: it counts how
// often another template had the same hash, and makes for a different one. Of 32 bits,
// that can happen.
func Of(template *v1.PodTemplateSpec, collisions *int32) string {
	hasher := fnv.New32a()
	// Writing to a hash never fails.
	_, _ = fmt.Fprintf(hasher, "%v", dump.ForHash(*template))
	if collisions != nil {
		var count [8]byte
		binary.LittleEndian.PutUint32(count[:], uint32(*collisions))
		_, _ = hasher.Write(count[:])
	}
	return rand.SafeEncodeString(strconv.FormatUint(uint64(hasher.Sum32()), 10))
}

// Label returns a copy of the labels with the hash under key added. It is a copy because
// the labels are mostly those of a template in a shared cache.
func Label(labels map[string]string, key, hash string) map[string]string {
	labels = maps.Clone(labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[key] = hash
	return labels
}
