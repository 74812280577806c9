// Package templatehash names a pod template by a short hash, for the controllers
// that keep several versions of one.
package templatehash

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strconv"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/dump"
)

// Of is the hash that ends the names of ReplicaSets and ControllerRevisions, and the
// value of the labels pod-template-hash and controller-revision-hash. It is upstream's
// ComputeHash, so that names look the same. collisions, which may be nil, counts how
// often another template had the same hash; it makes for a different one.
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
