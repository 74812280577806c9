package volumes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
)

// defaultFileMode is what the API fills in for defaultMode.
const defaultFileMode = 0o644

// files sets up a volume whose files come from the API. Those that can hold
// something secret live in memory only.
func (m *Manager) files(ctx context.Context, pod *v1.Pod, volume *v1.Volume) (Mounted, error) {
	plugin, content, err := m.content(ctx, pod, volume)
	if err != nil {
		return Mounted{}, err
	}
	dir := m.volumeDir(pod.UID, plugin, volume.Name)
	group := fsGroup(pod)
	if plugin == "secret" || plugin == "projected" {
		err = m.tmpfs(dir, m.memoryBound(pod, nil), group)
	} else {
		err = m.scratch(dir, pod)
	}
	if err != nil {
		return Mounted{}, err
	}
	if err := makeNestedMountPoints(dir, volume.Name, pod); err != nil {
		return Mounted{}, err
	}
	_, err = writeAtomic(dir, content, func(path string, info fs.FileInfo) error {
		return m.groupOwn(path, info, group, true)
	})
	return Mounted{Path: dir, ReadOnly: true, Plugin: "kubernetes.io/" + plugin}, err
}

// content collects the files of a volume and says by which plugin it goes.
func (m *Manager) content(ctx context.Context, pod *v1.Pod, volume *v1.Volume) (string, map[string]file, error) {
	switch src := &volume.VolumeSource; {
	case src.ConfigMap != nil:
		c := src.ConfigMap
		got, err := m.configMapFiles(ctx, pod.Namespace, c.Name, c.Items, c.DefaultMode, c.Optional)
		return "configmap", got, err
	case src.Secret != nil:
		s := src.Secret
		got, err := m.secretFiles(ctx, pod.Namespace, s.SecretName, s.Items, s.DefaultMode, s.Optional)
		return "secret", got, err
	case src.DownwardAPI != nil:
		got, err := m.downwardFiles(pod, src.DownwardAPI.Items, src.DownwardAPI.DefaultMode)
		return "downward-api", got, err
	default:
		got, err := m.projectedFiles(ctx, pod, src.Projected)
		return "projected", got, err
	}
}

func (m *Manager) configMapFiles(ctx context.Context, namespace, name string, items []v1.KeyToPath, mode *int32, optional *bool) (map[string]file, error) {
	may := optional != nil && *optional
	cm, err := m.objects.ConfigMap(ctx, namespace, name)
	if apierrors.IsNotFound(err) && may {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data := make(map[string][]byte, len(cm.Data)+len(cm.BinaryData))
	for k, v := range cm.Data {
		data[k] = []byte(v)
	}
	for k, v := range cm.BinaryData {
		if _, ok := data[k]; !ok {
			data[k] = v
		}
	}
	return pick(data, items, mode, may, "configmap references non-existent config key: %s")
}

func (m *Manager) secretFiles(ctx context.Context, namespace, name string, items []v1.KeyToPath, mode *int32, optional *bool) (map[string]file, error) {
	may := optional != nil && *optional
	secret, err := m.objects.Secret(ctx, namespace, name)
	if apierrors.IsNotFound(err) && may {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return pick(secret.Data, items, mode, may, "references non-existent secret key: %s")
}

// pick makes files of all keys, or of those that items names. A key that is
// missing is an error of the given text unless it may be.
func pick(data map[string][]byte, items []v1.KeyToPath, mode *int32, optional bool, missing string) (map[string]file, error) {
	out := map[string]file{}
	if len(items) == 0 {
		for k, v := range data {
			out[k] = file{data: v, mode: fileMode(mode, nil), uid: -1}
		}
		return out, nil
	}
	for _, item := range items {
		v, ok := data[item.Key]
		if !ok && optional {
			continue
		}
		if !ok {
			return nil, fmt.Errorf(missing, item.Key)
		}
		out[filepath.Clean(item.Path)] = file{data: v, mode: fileMode(mode, item.Mode), uid: -1}
	}
	return out, nil
}

// projectedFiles puts several sources into one directory; later ones win.
func (m *Manager) projectedFiles(ctx context.Context, pod *v1.Pod, src *v1.ProjectedVolumeSource) (map[string]file, error) {
	out := map[string]file{}
	var errs []error
	for i := range src.Sources {
		got, err := m.projection(ctx, pod, &src.Sources[i], src.DefaultMode)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for path, f := range got {
			out[path] = f
		}
	}
	if err := utilerrors.NewAggregate(errs); err != nil {
		return nil, err
	}
	return out, nil
}

func (m *Manager) projection(ctx context.Context, pod *v1.Pod, src *v1.VolumeProjection, mode *int32) (map[string]file, error) {
	switch {
	case src.ConfigMap != nil:
		c := src.ConfigMap
		return m.configMapFiles(ctx, pod.Namespace, c.Name, c.Items, mode, c.Optional)
	case src.Secret != nil:
		s := src.Secret
		return m.secretFiles(ctx, pod.Namespace, s.Name, s.Items, mode, s.Optional)
	case src.DownwardAPI != nil:
		return m.downwardFiles(pod, src.DownwardAPI.Items, mode)
	case src.ServiceAccountToken != nil:
		token, err := m.tokens.get(ctx, pod, src.ServiceAccountToken)
		if err != nil {
			return nil, err
		}
		f := file{data: []byte(token), mode: fileMode(mode, nil), uid: fsUser(pod)}
		// A token is for one user or one group where there is one, not for all.
		if f.uid >= 0 || fsGroup(pod) != nil {
			f.mode = 0o600
		}
		return map[string]file{filepath.Clean(src.ServiceAccountToken.Path): f}, nil
	}
	return nil, errors.New("this kind of projected source is not supported on this node; it can be configMap, secret, downwardAPI or serviceAccountToken")
}

// fileMode is the item's own mode, or that of the volume, or the API's default.
func fileMode(volume, item *int32) fs.FileMode {
	switch {
	case item != nil:
		return fs.FileMode(*item) & fs.ModePerm
	case volume != nil:
		return fs.FileMode(*volume) & fs.ModePerm
	}
	return defaultFileMode
}

// makeNestedMountPoints makes the directories in a read-only volume that other
// volumes of a container are mounted on: the runtime couldn't make them.
func makeNestedMountPoints(dir, volume string, pod *v1.Pod) error {
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			for _, rel := range nestedIn(list[i].VolumeMounts, volume) {
				if err := checkFilePath(rel); err != nil {
					return fmt.Errorf("making the mount point of a nested volume: %w", err)
				}
				if err := os.MkdirAll(filepath.Join(dir, rel), 0o755); err != nil {
					return fmt.Errorf("making the mount point of a nested volume: %w", err)
				}
			}
		}
	}
	return nil
}

// nestedIn lists where in the volume other mounts of a container lie, relative to
// the volume. A mount inside a nested one belongs to that one.
func nestedIn(mounts []v1.VolumeMount, volume string) []string {
	var found []string
	for _, outer := range mounts {
		if outer.Name != volume || outer.SubPath != "" || outer.SubPathExpr != "" {
			continue
		}
		for _, inner := range mounts {
			rel, ok := strings.CutPrefix(filepath.Clean(inner.MountPath), strings.TrimSuffix(filepath.Clean(outer.MountPath), "/")+"/")
			if ok && rel != "" && !hasParent(mounts, outer.MountPath, inner.MountPath) {
				found = append(found, rel)
			}
		}
	}
	return found
}

// hasParent reports whether a mount lies between outer and inner.
func hasParent(mounts []v1.VolumeMount, outer, inner string) bool {
	outer, inner = filepath.Clean(outer), filepath.Clean(inner)
	for _, m := range mounts {
		path := filepath.Clean(m.MountPath)
		if path != outer && path != inner && strings.HasPrefix(path, outer+"/") && strings.HasPrefix(inner, path+"/") {
			return true
		}
	}
	return false
}
