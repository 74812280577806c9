package volumes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	helper "k8s.io/component-helpers/storage/volume"
)

// claimProtection keeps a claim that is being deleted usable for pods that have it.
const claimProtection = "kubernetes.io/pvc-protection"

// claim follows a PersistentVolumeClaim to its PersistentVolume. Volumes of type
// local and hostPath are used where they lie.
func (m *Manager) claim(ctx context.Context, pod *v1.Pod, name, claimName string, readOnly bool) (Mounted, error) {
	ctx, cancel := context.WithTimeout(ctx, objectTimeout)
	defer cancel()
	pv, err := m.boundVolume(ctx, pod.Namespace, claimName)
	if err != nil {
		return Mounted{}, &mountError{Volume: name, unprocessed: true,
			Err: fmt.Errorf("error processing PVC %s/%s: %w", pod.Namespace, claimName, err)}
	}
	if pv.Spec.VolumeMode != nil && *pv.Spec.VolumeMode == v1.PersistentVolumeBlock {
		return Mounted{}, &mountError{Volume: pv.Name, Step: "MapVolume.MapBlockVolume failed",
			Err: errors.New("volumes of mode Block are not supported on this node; use volumeMode: Filesystem")}
	}
	if node := m.cfg.Node(); node != nil {
		if err := helper.CheckNodeAffinity(pv, node.Labels); err != nil {
			return Mounted{}, &mountError{Volume: pv.Name, Step: "MountVolume.NodeAffinity check failed", Err: err}
		}
	}
	switch {
	case pv.Spec.HostPath != nil:
		got, err := hostPath(pv.Spec.HostPath)
		got.ReadOnly = readOnly
		return got, named(pv.Name, err)
	case pv.Spec.Local != nil:
		return m.local(pod, pv, readOnly)
	}
	return Mounted{}, &mountError{Step: "MountVolume.FindPluginBySpec failed", Volume: pv.Name,
		Err: errors.New("no volume plugin matched: PersistentVolumes on this node are local or hostPath")}
}

// local uses a directory that somebody prepared on this node.
func (m *Manager) local(pod *v1.Pod, pv *v1.PersistentVolume, readOnly bool) (Mounted, error) {
	path := pv.Spec.Local.Path
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return Mounted{}, &mountError{Volume: pv.Name, Step: "MountVolume.NewMounter initialization failed",
			Err: fmt.Errorf("path %q does not exist", path)}
	}
	if err != nil {
		return Mounted{}, named(pv.Name, err)
	}
	if !info.IsDir() {
		return Mounted{}, named(pv.Name, fmt.Errorf("local volume path %q is not a directory; mount its file system on the node and name the mount point", path))
	}
	if !readOnly {
		if err := m.groupOwnTree(path, pod); err != nil {
			return Mounted{}, named(pv.Name, err)
		}
	}
	return Mounted{Path: path, ReadOnly: readOnly, Plugin: "kubernetes.io/local-volume"}, nil
}

// boundVolume reads the claim and the volume it is bound to.
func (m *Manager) boundVolume(ctx context.Context, namespace, name string) (*v1.PersistentVolume, error) {
	pvc, err := m.cfg.Client.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case err != nil:
		return nil, fmt.Errorf("failed to fetch PVC from API server: %w", err)
	case pvc.DeletionTimestamp != nil && !slices.Contains(pvc.Finalizers, claimProtection):
		return nil, errors.New("PVC is being deleted")
	case pvc.Status.Phase != v1.ClaimBound:
		return nil, errors.New("PVC is not bound")
	case pvc.Spec.VolumeName == "":
		return nil, errors.New("PVC has empty pvc.Spec.VolumeName")
	}
	pv, err := m.cfg.Client.CoreV1().PersistentVolumes().Get(ctx, pvc.Spec.VolumeName, metav1.GetOptions{})
	switch {
	case err != nil:
		return nil, fmt.Errorf("failed to fetch PV %s from API server: %w", pvc.Spec.VolumeName, err)
	case pv.Spec.ClaimRef == nil:
		return nil, fmt.Errorf("PV %s is not bound to the claim yet: it has no claimRef", pv.Name)
	case pv.Spec.ClaimRef.UID != pvc.UID:
		return nil, fmt.Errorf("PV %s is bound to another claim: its claimRef has UID %s, the claim has %s", pv.Name, pv.Spec.ClaimRef.UID, pvc.UID)
	}
	return pv, nil
}

// named puts the name of the PersistentVolume into an error, as events have it.
func named(volume string, err error) error {
	if err == nil {
		return nil
	}
	return &mountError{Volume: volume, Err: err}
}
