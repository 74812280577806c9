// Package volumes gives the containers of a pod their files: it turns every
// entry of spec.volumes into a path on the node that the container runtime can
// bind into a container, keeps what came from the API up to date, and takes it
// all away again when the pod is gone.
//
// What lies where is the layout that Kubernetes documents:
//
//	<root>/pods/<uid>/volumes/kubernetes.io~<plugin>/<volume>   a volume
//	<root>/pods/<uid>/volume-subpaths/<volume>/<container>/<n>   a subPath of one
//
// Nothing is remembered that the disk and the mount table don't also say, so a
// restarted agent finds everything again by path.
package volumes

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
)

// defaultRoot is where a node keeps the files of its pods.
const defaultRoot = "/var/lib/kubelet"

// defaultRefreshPeriod is how often what came from the API is looked at again;
// the kubelet's default of --sync-frequency.
const defaultRefreshPeriod = time.Minute

// Config is what a Manager needs.
type Config struct {
	// Client reads ConfigMaps, Secrets, claims and volumes, and requests tokens.
	// Objects are read one by one, by name: that is all the node authorizer
	// allows, and only for objects that a pod of this node refers to.
	Client kubernetes.Interface
	// RootDir is the agent's directory; empty means defaultRoot.
	RootDir string
	// Node is the latest Node object of this machine, or nil if there is none
	// yet. Its allocatable is the default of resourceFieldRef limits and the
	// bound of memory-backed volumes, its labels decide about node affinity.
	Node func() *v1.Node
	// Clock is the time source; nil means the real one.
	Clock clock.WithTicker
	// RefreshPeriod is the time between two looks; zero means defaultRefreshPeriod.
	RefreshPeriod time.Duration
	// Mounter mounts and unmounts; nil means the kernel.
	Mounter Mounter
	// Chown changes the owner of a file without following links; nil means
	// os.Lchown.
	Chown func(path string, uid, gid int) error
}

// Mounted is one volume of a pod, ready to be bound into containers.
type Mounted struct {
	// Path is the file or directory on the node.
	Path string
	// ReadOnly says that no container may write, whatever its volumeMount says.
	ReadOnly bool
	// Plugin is the kind of volume by its documented name, such as
	// "kubernetes.io/empty-dir".
	Plugin string
}

// Manager sets up, refreshes and tears down the volumes of this node's pods.
// Its methods may be called from several goroutines; those of one pod wait for
// each other.
type Manager struct {
	cfg     Config
	objects *Objects
	tokens  *tokens

	mu   sync.Mutex
	pods map[types.UID]*podVolumes
}

// podVolumes is what is known of a pod whose volumes are (being) set up.
type podVolumes struct {
	mu        sync.Mutex
	mounted   map[string]Mounted
	pod       *v1.Pod
	refreshed time.Time
	gone      bool
}

// New makes a Manager.
func New(cfg Config) *Manager {
	if cfg.RootDir == "" {
		cfg.RootDir = defaultRoot
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.RealClock{}
	}
	if cfg.RefreshPeriod == 0 {
		cfg.RefreshPeriod = defaultRefreshPeriod
	}
	if cfg.Mounter == nil {
		cfg.Mounter = kernelMounter{}
	}
	if cfg.Node == nil {
		cfg.Node = func() *v1.Node { return nil }
	}
	if cfg.Chown == nil {
		cfg.Chown = lchown
	}
	return &Manager{
		cfg:     cfg,
		objects: newObjects(cfg.Client),
		tokens:  newTokens(cfg.Client, cfg.Clock),
		pods:    map[types.UID]*podVolumes{},
	}
}

// Objects reads ConfigMaps and Secrets the way the Manager does.
func (m *Manager) Objects() *Objects { return m.objects }

// SetUp makes every volume of the pod ready and says where each is. It is cheap
// when they are ready already, so it can be called at every sync of the pod.
// Where some fail, the rest is still set up, and the error joins one
// *mountError per volume that Unwrap gives.
func (m *Manager) SetUp(ctx context.Context, pod *v1.Pod) (map[string]Mounted, error) {
	state := m.state(pod.UID)
	state.mu.Lock()
	defer state.mu.Unlock()
	if state.gone {
		return nil, fmt.Errorf("the volumes of pod %s/%s (%s) were torn down already", pod.Namespace, pod.Name, pod.UID)
	}
	if len(state.mounted) == len(pod.Spec.Volumes) && !m.stale(state, pod) {
		return maps.Clone(state.mounted), nil
	}
	return m.setUpLocked(ctx, state, pod)
}

// Refresh writes again what changed of the pod's ConfigMaps, Secrets, tokens and
// own metadata. Volumes that were not set up are left alone.
func (m *Manager) Refresh(ctx context.Context, pod *v1.Pod) error {
	m.mu.Lock()
	state, ok := m.pods[pod.UID]
	m.mu.Unlock()
	if !ok {
		return nil
	}
	state.mu.Lock()
	defer state.mu.Unlock()
	if state.gone || state.pod == nil {
		return nil
	}
	_, err := m.setUpLocked(ctx, state, pod)
	return err
}

// Run refreshes the volumes of all pods that are set up, until ctx is done.
func (m *Manager) Run(ctx context.Context) {
	ticker := m.cfg.Clock.NewTicker(m.cfg.RefreshPeriod / 4)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
		for _, pod := range m.due() {
			if err := m.Refresh(ctx, pod); err != nil && ctx.Err() == nil {
				slog.Warn("refreshing volumes failed, will look again", "pod", pod.Namespace+"/"+pod.Name, "error", err)
			}
		}
	}
}

// due lists the pods whose last look is a refresh period ago.
func (m *Manager) due() []*v1.Pod {
	m.mu.Lock()
	states := slices.Collect(maps.Values(m.pods))
	m.mu.Unlock()
	var pods []*v1.Pod
	for _, s := range states {
		s.mu.Lock()
		if s.pod != nil && !s.gone && m.cfg.Clock.Since(s.refreshed) >= m.cfg.RefreshPeriod {
			pods = append(pods, s.pod)
		}
		s.mu.Unlock()
	}
	return pods
}

// setUpLocked goes through all volumes; state.mu is held.
func (m *Manager) setUpLocked(ctx context.Context, state *podVolumes, pod *v1.Pod) (map[string]Mounted, error) {
	mounted := make(map[string]Mounted, len(pod.Spec.Volumes))
	var failed mountFailures
	for i := range pod.Spec.Volumes {
		volume := &pod.Spec.Volumes[i]
		if old, ok := state.mounted[volume.Name]; ok && !fromAPI(volume) {
			mounted[volume.Name] = old
			continue
		}
		got, err := m.setUpOne(ctx, pod, volume)
		if err != nil {
			failed = append(failed, asMountError(volume.Name, err))
			if old, ok := state.mounted[volume.Name]; ok {
				// What the containers see stays until it can be written anew.
				mounted[volume.Name] = old
			}
			continue
		}
		mounted[volume.Name] = got
	}
	state.mounted, state.pod, state.refreshed = mounted, pod, m.cfg.Clock.Now()
	return maps.Clone(mounted), failed.asError()
}

// setUpOne makes one volume ready. Each case stands for a plugin of pkg/volume.
func (m *Manager) setUpOne(ctx context.Context, pod *v1.Pod, volume *v1.Volume) (Mounted, error) {
	src := &volume.VolumeSource
	switch {
	case src.EmptyDir != nil:
		return m.emptyDir(pod, volume.Name, src.EmptyDir)
	case src.HostPath != nil:
		return hostPath(src.HostPath)
	case src.ConfigMap != nil, src.Secret != nil, src.DownwardAPI != nil, src.Projected != nil:
		return m.files(ctx, pod, volume)
	case src.PersistentVolumeClaim != nil:
		return m.claim(ctx, pod, volume.Name, src.PersistentVolumeClaim.ClaimName, src.PersistentVolumeClaim.ReadOnly)
	case src.Ephemeral != nil:
		return m.claim(ctx, pod, volume.Name, pod.Name+"-"+volume.Name, false)
	default:
		return Mounted{}, &mountError{Step: "MountVolume.FindPluginBySpec failed", Volume: volume.Name,
			Err: fmt.Errorf("no volume plugin matched: %s volumes are not supported on this node", sourceName(src))}
	}
}

// fromAPI reports whether the files of a volume are written by the agent, and so
// have to be kept up to date.
func fromAPI(volume *v1.Volume) bool {
	return volume.ConfigMap != nil || volume.Secret != nil || volume.DownwardAPI != nil || volume.Projected != nil
}

// stale reports whether what is written may differ from what should be.
func (m *Manager) stale(state *podVolumes, pod *v1.Pod) bool {
	for _, v := range pod.Spec.Volumes {
		if _, ok := state.mounted[v.Name]; !ok {
			return true
		}
	}
	return m.cfg.Clock.Since(state.refreshed) >= m.cfg.RefreshPeriod || metadataChanged(state.pod, pod)
}

// state finds or makes the record of a pod.
func (m *Manager) state(uid types.UID) *podVolumes {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.pods[uid]
	if !ok {
		s = &podVolumes{}
		m.pods[uid] = s
	}
	return s
}

// podDir is the directory of a pod.
func (m *Manager) podDir(uid types.UID) string {
	return filepath.Join(m.cfg.RootDir, "pods", string(uid))
}

// volumeDir is where a volume of a pod lies; plugin is the part of its name
// after the slash.
func (m *Manager) volumeDir(uid types.UID, plugin, name string) string {
	return filepath.Join(m.podDir(uid), "volumes", "kubernetes.io~"+plugin, name)
}
