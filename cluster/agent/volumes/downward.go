package volumes

import (
	"errors"
	"maps"
	"path/filepath"

	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
)

// downwardFiles are the files of a downwardAPI volume: CollectData in
// pkg/volume/downwardapi/downwardapi.go. Only the metadata and resources can be asked
// for, because the addresses are not known when volumes are set up.
func (m *Manager) downwardFiles(pod *v1.Pod, items []v1.DownwardAPIVolumeFile, mode *int32) (map[string]file, error) {
	var allocatable v1.ResourceList
	if node := m.cfg.Node(); node != nil {
		allocatable = node.Status.Allocatable
	}
	out := map[string]file{}
	var errs []error
	for _, item := range items {
		var text string
		var err error
		switch {
		case item.FieldRef != nil:
			text, err = podspec.MetadataValue(pod, item.FieldRef.FieldPath)
		case item.ResourceFieldRef != nil:
			text, err = podspec.ResourceValue(pod, nil, item.ResourceFieldRef, allocatable)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out[filepath.Clean(item.Path)] = file{data: []byte(text), mode: fileMode(mode, item.Mode), uid: -1}
	}
	return out, errors.Join(errs...)
}

// metadataChanged reports whether the parts of a pod that a volume can show differ.
func metadataChanged(old, now *v1.Pod) bool {
	return old == nil || !maps.Equal(old.Labels, now.Labels) || !maps.Equal(old.Annotations, now.Annotations)
}
