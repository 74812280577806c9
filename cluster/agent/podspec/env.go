package podspec

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Objects reads what environment variables and pull secrets refer to. Errors are the
// API's; a NotFound is what an optional reference forgives.
type Objects interface {
	ConfigMap(ctx context.Context, namespace, name string) (*v1.ConfigMap, error)
	Secret(ctx context.Context, namespace, name string) (*v1.Secret, error)
	// Services are all services of the cluster.
	Services() ([]*v1.Service, error)
}

// Facts are what a container's configuration needs to know besides its spec.
type Facts struct {
	PodIPs, HostIPs []string
	Allocatable     v1.ResourceList // of the node
	Volumes         map[string]Volume
	// SubPath is the place on the node of a path inside a volume: that of the
	// container's volumeMount number index.
	SubPath func(container string, index int, volume, path string) (string, error)
}

// Volume is a mounted volume of the pod, by its name in pod.spec.volumes.
type Volume struct {
	HostPath string
	ReadOnly bool // the volume itself can't be written, whatever the mount says
}

// makeEnvironmentVariables is the container's environment in CRI's form, sorted by name
// (makeEnvironmentVariables in pkg/kubelet/kubelet_pods.go). envFrom comes first, then env
// in its order, each variable able to use those before it and the services'; services
// fill in what is missing.
func makeEnvironmentVariables(ctx context.Context, objects Objects, pod *v1.Pod, container *v1.Container, facts Facts) ([]*cri.KeyValue, error) {
	services, err := objects.Services()
	if err != nil {
		return nil, fmt.Errorf("listing services for the environment of %s: %w", container.Name, err)
	}
	links := pod.Spec.EnableServiceLinks == nil || *pod.Spec.EnableServiceLinks
	fromServices := getServiceEnvVarMap(services, pod.Namespace, links)

	r := envResolver{ctx: ctx, objects: objects, pod: pod, container: container, facts: facts, env: map[string]string{}}
	for _, source := range container.EnvFrom {
		if err := r.addFrom(source); err != nil {
			return nil, err
		}
	}
	lookup := func(name string) (string, bool) {
		if v, ok := r.env[name]; ok {
			return v, true
		}
		v, ok := fromServices[name]
		return v, ok
	}
	for _, e := range container.Env {
		if e.Value != "" || e.ValueFrom == nil {
			r.env[e.Name] = expand(e.Value, lookup)
			continue
		}
		value, skip, err := r.value(e.ValueFrom)
		if err != nil {
			return nil, err
		}
		if !skip {
			r.env[e.Name] = value
		}
	}
	for name, value := range fromServices {
		if _, set := r.env[name]; !set {
			r.env[name] = value
		}
	}
	return keyValues(r.env), nil
}

func keyValues(env map[string]string) []*cri.KeyValue {
	out := make([]*cri.KeyValue, 0, len(env))
	for k, v := range env {
		out = append(out, &cri.KeyValue{Key: k, Value: []byte(v)})
	}
	slices.SortFunc(out, func(a, b *cri.KeyValue) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// envResolver collects one container's variables.
type envResolver struct {
	ctx       context.Context
	objects   Objects
	pod       *v1.Pod
	container *v1.Container
	facts     Facts
	env       map[string]string
}

func isTrue(b *bool) bool { return b != nil && *b }

// addFrom takes all keys of a ConfigMap or Secret. A key that no shell would take as a
// name is taken as well: programs may read it.
func (r *envResolver) addFrom(source v1.EnvFromSource) error {
	switch {
	case source.ConfigMapRef != nil:
		cm, err := r.objects.ConfigMap(r.ctx, r.pod.Namespace, source.ConfigMapRef.Name)
		if err != nil {
			return forgive(err, source.ConfigMapRef.Optional)
		}
		for k, v := range cm.Data {
			r.env[source.Prefix+k] = v
		}
	case source.SecretRef != nil:
		secret, err := r.objects.Secret(r.ctx, r.pod.Namespace, source.SecretRef.Name)
		if err != nil {
			return forgive(err, source.SecretRef.Optional)
		}
		for k, v := range secret.Data {
			r.env[source.Prefix+k] = string(v)
		}
	}
	return nil
}

// forgive drops the error about a missing object if the reference is optional.
func forgive(err error, optional *bool) error {
	if apierrors.IsNotFound(err) && isTrue(optional) {
		return nil
	}
	return err
}

// value resolves one valueFrom. skip means that an optional source is missing.
func (r *envResolver) value(from *v1.EnvVarSource) (value string, skip bool, err error) {
	switch {
	case from.FieldRef != nil:
		value, err = fieldValue(r.pod, from.FieldRef.FieldPath, r.facts.PodIPs, r.facts.HostIPs)
		return value, false, err
	case from.ResourceFieldRef != nil:
		value, err = ResourceValue(r.pod, r.container, from.ResourceFieldRef, r.facts.Allocatable)
		return value, false, err
	case from.ConfigMapKeyRef != nil:
		return r.configMapKey(from.ConfigMapKeyRef)
	case from.SecretKeyRef != nil:
		return r.secretKey(from.SecretKeyRef)
	case from.FileKeyRef != nil:
		return r.fileKey(from.FileKeyRef)
	}
	return "", false, nil
}

// configMapKey resolves a configMapKeyRef.
func (r *envResolver) configMapKey(ref *v1.ConfigMapKeySelector) (string, bool, error) {
	cm, err := r.objects.ConfigMap(r.ctx, r.pod.Namespace, ref.Name)
	if err != nil {
		err = forgive(err, ref.Optional)
		return "", true, err
	}
	value, ok := cm.Data[ref.Key]
	if !ok && !isTrue(ref.Optional) {
		return "", false, fmt.Errorf("couldn't find key %v in ConfigMap %v/%v", ref.Key, r.pod.Namespace, ref.Name)
	}
	return value, !ok, nil
}

// secretKey resolves a secretKeyRef.
func (r *envResolver) secretKey(ref *v1.SecretKeySelector) (string, bool, error) {
	secret, err := r.objects.Secret(r.ctx, r.pod.Namespace, ref.Name)
	if err != nil {
		err = forgive(err, ref.Optional)
		return "", true, err
	}
	value, ok := secret.Data[ref.Key]
	if !ok && !isTrue(ref.Optional) {
		return "", false, fmt.Errorf("couldn't find key %v in Secret %v/%v", ref.Key, r.pod.Namespace, ref.Name)
	}
	return string(value), !ok, nil
}

// fileKey reads NAME=value lines that an init container left in a volume (KEP-3721).
func (r *envResolver) fileKey(ref *v1.FileKeySelector) (string, bool, error) {
	volume, ok := r.facts.Volumes[ref.VolumeName]
	if !ok || volume.HostPath == "" {
		return "", false, fmt.Errorf("cannot find the volume %q referenced by FileKeyRef", ref.VolumeName)
	}
	root, err := os.OpenRoot(volume.HostPath)
	if err != nil {
		return "", false, fmt.Errorf("opening volume %q for FileKeyRef: %w", ref.VolumeName, err)
	}
	defer root.Close()
	file, err := root.Open(filepath.Clean(ref.Path)) // a Root never leaves its directory
	if errors.Is(err, fs.ErrNotExist) && isTrue(ref.Optional) {
		return "", true, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("couldn't parse env file %q of volume %q: %w", ref.Path, ref.VolumeName, err)
	}
	defer file.Close()
	value, found, err := parseEnvFile(bufio.NewScanner(file), ref.Key)
	if err != nil {
		return "", false, fmt.Errorf("couldn't parse env file %q of volume %q: %w", ref.Path, ref.VolumeName, err)
	}
	if !found && !isTrue(ref.Optional) {
		return "", false, fmt.Errorf("environment variable key %q not found in file %q", ref.Key, ref.Path)
	}
	return value, !found, nil
}

// parseEnvFile finds key among lines of NAME='value'. Blank lines and comments are
// skipped; a value is taken between its single quotes if it has them.
func parseEnvFile(lines *bufio.Scanner, key string) (value string, found bool, err error) {
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, v, ok := strings.Cut(line, "=")
		if !ok {
			return "", false, fmt.Errorf("line %d has no %q", n, "=")
		}
		if strings.TrimSpace(name) != key {
			continue
		}
		if len(v) >= 2 && v[0] == '\'' && v[len(v)-1] == '\'' {
			v = v[1 : len(v)-1]
		}
		value, found = v, true
	}
	return value, found, lines.Err()
}
