package podspec

import (
	"bufio"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	kubelettypes "k8s.io/kubelet/pkg/types"
)

func ptr[T any](v T) *T { return &v }

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "a", "B": "$(A)", "EMPTY": ""}
	lookup := func(n string) (string, bool) { v, ok := env[n]; return v, ok }
	for in, want := range map[string]string{
		"$(A)": "a", "$$(A)": "$(A)", "$$$(A)": "$a", "$$$$(A)": "$$(A)", "x$(A)y$(A)": "xaya",
		"$(B)": "$(A)", "$(EMPTY)": "", "$(NONE)": "$(NONE)", "$(A": "$(A", "$": "$", "$A": "$A", "$(": "$(",
		"$()": "$()", "cost: 5$": "cost: 5$", "$(A)$(NONE)$(A)": "a$(NONE)a",
	} {
		if got := expand(in, lookup); got != want {
			t.Errorf("Expand(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"$(A)", "$$(A)", "$(A", "a$b", "$((A))", "$()", "$$$"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		none := func(string) (string, bool) { return "", false }
		got := expand(s, none)
		if !strings.Contains(s, "$$") && got != s {
			t.Errorf("Expand(%q) = %q without any variable", s, got)
		}
		if escaped := strings.ReplaceAll(s, "$", "$$"); expand(escaped, none) != s {
			t.Errorf("escaping %q did not protect it", s)
		}
	})
}

func FuzzParseResolvConf(f *testing.F) {
	f.Add("nameserver 1.2.3.4\nsearch a. b .\noptions ndots:5 rotate\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := parseResolvConf(text)
		for _, s := range slices.Concat(c.Servers, c.Searches, c.Options) {
			if strings.ContainsAny(s, " \t\n") {
				t.Errorf("%q has white space in it", s)
			}
		}
	})
}

func FuzzParseEnvFile(f *testing.F) {
	f.Add("# c\nA='x y'\nB=2", "A")
	f.Fuzz(func(t *testing.T, text, key string) {
		if _, _, err := parseEnvFile(bufio.NewScanner(strings.NewReader(text)), key); err != nil && strings.Contains(err.Error(), "line 0") {
			t.Error("lines count from 1")
		}
	})
}

type world struct {
	maps     map[string]map[string]string
	secrets  map[string]map[string][]byte
	services []*v1.Service
}

func notFound(kind, name string) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, name)
}

func (w world) ConfigMap(_ context.Context, _, name string) (*v1.ConfigMap, error) {
	if d, ok := w.maps[name]; ok {
		return &v1.ConfigMap{Data: d}, nil
	}
	return nil, notFound("configmaps", name)
}

func (w world) Secret(_ context.Context, _, name string) (*v1.Secret, error) {
	if d, ok := w.secrets[name]; ok {
		return &v1.Secret{Data: d}, nil
	}
	return nil, notFound("secrets", name)
}

func (w world) Services() ([]*v1.Service, error) { return w.services, nil }

func testPod() *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "u1", Labels: map[string]string{"app": "web", "a.b/c": "d"}},
		Spec: v1.PodSpec{NodeName: "node1", ServiceAccountName: "sa", DNSPolicy: v1.DNSClusterFirst,
			Containers: []v1.Container{{Name: "main", Image: "busybox"}}},
	}
}

func TestEnvironment(t *testing.T) {
	w := world{
		maps:    map[string]map[string]string{"cm": {"k": "from-map", "other": "o"}},
		secrets: map[string]map[string][]byte{"s": {"k": []byte("from-secret")}},
		services: []*v1.Service{
			{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes"}, Spec: v1.ServiceSpec{ClusterIP: "10.96.0.1", Ports: []v1.ServicePort{{Name: "https", Port: 443, Protocol: "TCP"}}}},
			{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "my-db"}, Spec: v1.ServiceSpec{ClusterIP: "10.96.0.5", Ports: []v1.ServicePort{{Port: 53, Protocol: "UDP"}}}},
			{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "headless"}, Spec: v1.ServiceSpec{ClusterIP: "None", Ports: []v1.ServicePort{{Port: 1}}}},
			{ObjectMeta: metav1.ObjectMeta{Namespace: "elsewhere", Name: "x"}, Spec: v1.ServiceSpec{ClusterIP: "10.96.0.6", Ports: []v1.ServicePort{{Port: 1}}}},
		},
	}
	pod := testPod()
	c := &pod.Spec.Containers[0]
	c.Resources.Limits = v1.ResourceList{"cpu": resource.MustParse("1500m")}
	c.EnvFrom = []v1.EnvFromSource{{Prefix: "P_", ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: v1.LocalObjectReference{Name: "cm"}}},
		{SecretRef: &v1.SecretEnvSource{LocalObjectReference: v1.LocalObjectReference{Name: "none"}, Optional: ptr(true)}}}
	from := func(s v1.EnvVarSource) *v1.EnvVarSource { return &s }
	c.Env = []v1.EnvVar{
		{Name: "PLAIN", Value: "x"},
		{Name: "REF", Value: "$(PLAIN)-$(P_k)-$(MY_DB_SERVICE_HOST)-$(LATER)"},
		{Name: "LATER", Value: "y"},
		{Name: "POD", ValueFrom: from(v1.EnvVarSource{FieldRef: &v1.ObjectFieldSelector{FieldPath: "metadata.labels['app']"}})},
		{Name: "IP", ValueFrom: from(v1.EnvVarSource{FieldRef: &v1.ObjectFieldSelector{FieldPath: "status.podIP"}})},
		{Name: "CPU", ValueFrom: from(v1.EnvVarSource{ResourceFieldRef: &v1.ResourceFieldSelector{Resource: "limits.cpu"}})},
		{Name: "MEM", ValueFrom: from(v1.EnvVarSource{ResourceFieldRef: &v1.ResourceFieldSelector{Resource: "limits.memory", Divisor: resource.MustParse("1Mi")}})},
		{Name: "SECRET", ValueFrom: from(v1.EnvVarSource{SecretKeyRef: &v1.SecretKeySelector{LocalObjectReference: v1.LocalObjectReference{Name: "s"}, Key: "k"}})},
		{Name: "MISSING", ValueFrom: from(v1.EnvVarSource{SecretKeyRef: &v1.SecretKeySelector{LocalObjectReference: v1.LocalObjectReference{Name: "s"}, Key: "nope", Optional: ptr(true)}})},
	}
	facts := Facts{PodIPs: []string{"10.244.1.2"}, Allocatable: v1.ResourceList{"memory": resource.MustParse("700Mi")}}
	got, err := makeEnvironmentVariables(t.Context(), w, pod, c, facts)
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, kv := range got {
		env[kv.Key] = string(kv.Value)
	}
	want := map[string]string{
		"P_k": "from-map", "P_other": "o", "PLAIN": "x", "LATER": "y",
		"REF": "x-from-map-10.96.0.5-$(LATER)", "POD": "web", "IP": "10.244.1.2", "CPU": "2", "MEM": "700", "SECRET": "from-secret",
		"MY_DB_SERVICE_HOST": "10.96.0.5", "MY_DB_SERVICE_PORT": "53", "MY_DB_PORT": "udp://10.96.0.5:53",
		"MY_DB_PORT_53_UDP": "udp://10.96.0.5:53", "MY_DB_PORT_53_UDP_PROTO": "udp", "MY_DB_PORT_53_UDP_PORT": "53", "MY_DB_PORT_53_UDP_ADDR": "10.96.0.5",
		"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443", "KUBERNETES_SERVICE_PORT_HTTPS": "443",
		"KUBERNETES_PORT": "tcp://10.96.0.1:443", "KUBERNETES_PORT_443_TCP": "tcp://10.96.0.1:443", "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
		"KUBERNETES_PORT_443_TCP_PORT": "443", "KUBERNETES_PORT_443_TCP_ADDR": "10.96.0.1",
	}
	if d := cmp.Diff(want, env); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	pod.Spec.EnableServiceLinks = ptr(false)
	got, err = makeEnvironmentVariables(t.Context(), w, pod, &v1.Container{Name: "main"}, facts)
	if err != nil || len(got) != 8 {
		t.Errorf("without links only the API server's address should be left: %v, %v", got, err)
	}
}

func TestEnvironmentErrors(t *testing.T) {
	w := world{maps: map[string]map[string]string{"cm": {}}}
	pod := testPod()
	for want, from := range map[string]v1.EnvVarSource{
		"couldn't find key k in ConfigMap shop/cm": {ConfigMapKeyRef: &v1.ConfigMapKeySelector{LocalObjectReference: v1.LocalObjectReference{Name: "cm"}, Key: "k"}},
		`secrets "s" not found`:                    {SecretKeyRef: &v1.SecretKeySelector{LocalObjectReference: v1.LocalObjectReference{Name: "s"}, Key: "k"}},
		"unsupported fieldPath: spec.nope":         {FieldRef: &v1.ObjectFieldSelector{FieldPath: "spec.nope"}},
	} {
		c := &v1.Container{Name: "main", Env: []v1.EnvVar{{Name: "X", ValueFrom: &from}}}
		if _, err := makeEnvironmentVariables(t.Context(), w, pod, c, Facts{}); err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestDNS(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("# c\nnameserver 192.0.2.1\nsearch example.org\noptions timeout:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := Node{ClusterDNS: []string{"10.96.0.10"}, ClusterDomain: "cluster.local", ResolvConf: file}
	cluster := &cri.DNSConfig{Servers: []string{"10.96.0.10"}, Options: []string{"ndots:5"},
		Searches: []string{"shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org"}}
	host := &cri.DNSConfig{Servers: []string{"192.0.2.1"}, Searches: []string{"example.org"}, Options: []string{"timeout:1"}}
	for _, tc := range []struct {
		name   string
		change func(*v1.PodSpec)
		want   *cri.DNSConfig
	}{
		{"ClusterFirst", func(*v1.PodSpec) {}, cluster},
		{"ClusterFirst on the host's network", func(s *v1.PodSpec) { s.HostNetwork = true }, host},
		{"ClusterFirstWithHostNet", func(s *v1.PodSpec) { s.HostNetwork, s.DNSPolicy = true, v1.DNSClusterFirstWithHostNet }, cluster},
		{"Default", func(s *v1.PodSpec) { s.DNSPolicy = v1.DNSDefault }, host},
		{"None", func(s *v1.PodSpec) {
			s.DNSPolicy = v1.DNSNone
			s.DNSConfig = &v1.PodDNSConfig{Nameservers: []string{"1.1.1.1"}, Options: []v1.PodDNSConfigOption{{Name: "ndots", Value: ptr("2")}, {Name: "edns0"}}}
		}, &cri.DNSConfig{Servers: []string{"1.1.1.1"}, Options: []string{"ndots:2", "edns0"}}},
	} {
		pod := testPod()
		tc.change(&pod.Spec)
		got, warnings, err := n.getPodDNS(pod)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v %v", tc.name, warnings, err)
		}
		if got.String() != tc.want.String() {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	pod := testPod()
	pod.Spec.DNSConfig = &v1.PodDNSConfig{Nameservers: []string{"1.1.1.1", "2.2.2.2", "3.3.3.3"}}
	got, warnings, err := n.getPodDNS(pod)
	if err != nil || len(got.Servers) != 3 || len(warnings) != 1 || !strings.HasPrefix(warnings[0], "Nameserver limits were exceeded") {
		t.Errorf("%v %v %v", got, warnings, err)
	}
}

func TestHosts(t *testing.T) {
	pod := testPod()
	pod.Spec.Hostname, pod.Spec.Subdomain = "db-0", "db"
	pod.Spec.HostAliases = []v1.HostAlias{{IP: "192.0.2.9", Hostnames: []string{"a", "b"}}}
	n := Node{ClusterDomain: "cluster.local"}
	hostname, domain, err := n.generatePodHostNameAndDomain(pod)
	if err != nil {
		t.Fatal(err)
	}
	got := string(managedHostsFileContent(pod, hostname, domain, []string{"10.244.1.2"}, nil))
	for _, want := range []string{
		"# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n",
		"10.244.1.2\tdb-0.db.shop.svc.cluster.local\tdb-0\n",
		"\n# Entries added by HostAliases.\n192.0.2.9\ta\tb\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	pod.Spec.HostNetwork = true
	if got := string(managedHostsFileContent(pod, hostname, domain, nil, []byte("127.0.0.1 me\n"))); !strings.HasPrefix(got, "# Kubernetes-managed hosts file (host network).\n127.0.0.1 me\n") {
		t.Error(got)
	}
	long := testPod()
	long.Name = strings.Repeat("a", 62) + "-bcd"
	if h, _, _ := n.generatePodHostNameAndDomain(long); h != strings.Repeat("a", 62) {
		t.Errorf("%q: a host name has 63 characters at most and no - at its end", h)
	}
}

func TestQOSAndOOMScore(t *testing.T) {
	list := func(cpu, memory string) v1.ResourceList {
		return v1.ResourceList{"cpu": resource.MustParse(cpu), "memory": resource.MustParse(memory)}
	}
	for _, tc := range []struct {
		name string
		r    v1.ResourceRequirements
		qos  v1.PodQOSClass
		oom  int64
	}{
		{"nothing", v1.ResourceRequirements{}, v1.PodQOSBestEffort, 1000},
		{"limits only", v1.ResourceRequirements{Limits: list("1", "256Mi")}, v1.PodQOSGuaranteed, -997},
		{"equal", v1.ResourceRequirements{Requests: list("1", "256Mi"), Limits: list("1", "256Mi")}, v1.PodQOSGuaranteed, -997},
		{"requests only", v1.ResourceRequirements{Requests: list("1", "256Mi")}, v1.PodQOSBurstable, 750},
		{"a little", v1.ResourceRequirements{Requests: list("1", "1Ki")}, v1.PodQOSBurstable, 999},
		{"everything", v1.ResourceRequirements{Requests: list("1", "1Gi")}, v1.PodQOSBurstable, 3},
	} {
		pod := testPod()
		pod.Spec.Containers[0].Resources = tc.r
		if got := GetPodQOS(pod); got != tc.qos {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.qos)
		}
		if got := getContainerOOMScoreAdjust(pod, &pod.Spec.Containers[0], 1<<30); got != tc.oom {
			t.Errorf("%s: oom_score_adj %d, want %d", tc.name, got, tc.oom)
		}
	}
}

func TestLinuxResources(t *testing.T) {
	for _, tc := range []struct {
		request, limit, memory string
		cpus                   int
		want                   *cri.LinuxContainerResources
	}{
		{"", "", "", 0, &cri.LinuxContainerResources{CpuShares: 2, CpuPeriod: 100000}},
		{"500m", "", "", 1, &cri.LinuxContainerResources{CpuShares: 512, CpuPeriod: 100000}},
		{"", "2", "64Mi", 0, &cri.LinuxContainerResources{CpuShares: 2048, CpuPeriod: 100000, CpuQuota: 200000, MemoryLimitInBytes: 64 << 20}},
		{"", "2", "", 2, &cri.LinuxContainerResources{CpuShares: 2048, CpuPeriod: 100000, CpuQuota: 200000}},
		{"", "2", "", 1, &cri.LinuxContainerResources{CpuShares: 2048, CpuPeriod: 100000, CpuQuota: 100000}}, // all of a machine
		{"1m", "1m", "", 1, &cri.LinuxContainerResources{CpuShares: 2, CpuPeriod: 100000, CpuQuota: 1000}},
	} {
		r := v1.ResourceRequirements{Requests: v1.ResourceList{}, Limits: v1.ResourceList{}}
		set := func(l v1.ResourceList, name v1.ResourceName, v string) {
			if v != "" {
				l[name] = resource.MustParse(v)
			}
		}
		set(r.Requests, "cpu", tc.request)
		set(r.Limits, "cpu", tc.limit)
		set(r.Limits, "memory", tc.memory)
		if got := (&Node{CPUs: tc.cpus}).calculateLinuxResources(r); got.String() != tc.want.String() {
			t.Errorf("%s/%s/%s on %d: %v, want %v", tc.request, tc.limit, tc.memory, tc.cpus, got, tc.want)
		}
	}
}

func TestCgroupParent(t *testing.T) {
	pod := testPod()
	pod.UID = "ab-cd"
	if got := (&Node{CgroupRoot: "/noriter/t/node1"}).CgroupParent(pod); got != "/noriter/t/node1/kubepods/besteffort/podab-cd" {
		t.Error(got)
	}
	if got := (&Node{SystemdCgroup: true}).CgroupParent(pod); got != "kubepods-besteffort-podab_cd.slice" {
		t.Error(got)
	}
}

func TestSeccomp(t *testing.T) {
	none, unconfined := (*v1.SeccompProfile)(nil), &v1.SeccompProfile{Type: v1.SeccompProfileTypeUnconfined}
	for _, tc := range []struct {
		byDefault bool
		asked     *v1.SeccompProfile
		want      cri.SecurityProfile_ProfileType
	}{
		{false, none, cri.SecurityProfile_Unconfined},
		{true, none, cri.SecurityProfile_RuntimeDefault},
		{true, unconfined, cri.SecurityProfile_Unconfined},
		{false, &v1.SeccompProfile{Type: v1.SeccompProfileTypeRuntimeDefault}, cri.SecurityProfile_RuntimeDefault},
	} {
		if got, err := (&Node{SeccompDefault: tc.byDefault}).seccomp(tc.asked); err != nil || got.ProfileType != tc.want {
			t.Errorf("asked for %v, by default %t: %v, %v", tc.asked, tc.byDefault, got, err)
		}
	}
}

func TestContainer(t *testing.T) {
	dir := t.TempDir()
	n := &Node{RootDir: dir, LogDir: dir + "/logs", MemoryBytes: 1 << 30}
	pod := testPod()
	pod.Spec.SecurityContext = &v1.PodSecurityContext{RunAsUser: ptr(int64(1000)), FSGroup: ptr(int64(2000)), SeccompProfile: &v1.SeccompProfile{Type: v1.SeccompProfileTypeRuntimeDefault}}
	c := &pod.Spec.Containers[0]
	c.Command, c.Args = []string{"sh", "-c"}, []string{"echo $(X)"}
	c.Env = []v1.EnvVar{{Name: "X", Value: "1"}}
	c.TerminationMessagePath = "dev/termination-log"
	c.SecurityContext = &v1.SecurityContext{RunAsUser: ptr(int64(5)), AllowPrivilegeEscalation: ptr(false), Capabilities: &v1.Capabilities{Drop: []v1.Capability{"ALL"}}}
	c.VolumeMounts = []v1.VolumeMount{{Name: "data", MountPath: "/data", SubPathExpr: "sub/$(X)"}, {Name: "ro", MountPath: "/ro"}}
	facts := Facts{PodIPs: []string{"10.244.1.2"}, Volumes: map[string]Volume{"data": {HostPath: "/v/data"}, "ro": {HostPath: "/v/ro", ReadOnly: true}},
		SubPath: func(container string, index int, volume, path string) (string, error) { return "/sub/" + path, nil }}
	got, err := n.GenerateContainerConfig(t.Context(), world{}, pod, c, facts, Instance{Restarts: 3, ImageRef: "sha256:1"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Args[0] != "echo 1" || got.LogPath != "main/3.log" || got.Metadata.Attempt != 3 || got.Image.Image != "sha256:1" {
		t.Errorf("%v", got)
	}
	sc := got.Linux.SecurityContext
	if sc.RunAsUser.Value != 5 || !sc.NoNewPrivs || sc.Seccomp.ProfileType != cri.SecurityProfile_RuntimeDefault ||
		!slices.Equal(sc.SupplementalGroups, []int64{2000}) || !slices.Equal(sc.Capabilities.DropCapabilities, []string{"ALL"}) {
		t.Errorf("%v", sc)
	}
	mounts := map[string]*cri.Mount{}
	for _, m := range got.Mounts {
		mounts[m.ContainerPath] = m
	}
	if mounts["/data"].HostPath != "/sub/sub/1" || !mounts["/ro"].Readonly || mounts["/etc/hosts"] == nil || mounts["/dev/termination-log"] == nil {
		t.Errorf("%v", slices.Collect(maps.Keys(mounts)))
	}
	c.VolumeMounts = []v1.VolumeMount{{Name: "nowhere", MountPath: "/x"}}
	if _, err := n.GenerateContainerConfig(t.Context(), world{}, pod, c, facts, Instance{}); err == nil || err.Error() != `cannot find volume "nowhere" to mount into container "main"` {
		t.Error(err)
	}
	c.VolumeMounts = nil
	c.SecurityContext = &v1.SecurityContext{RunAsNonRoot: ptr(true), RunAsUser: ptr(int64(0))}
	if _, err := n.GenerateContainerConfig(t.Context(), world{}, pod, c, facts, Instance{}); err == nil || !strings.Contains(err.Error(), "container's runAsUser breaks non-root policy") {
		t.Error(err)
	}
}

func TestNonRootByImage(t *testing.T) {
	pod := testPod()
	sc := v1.SecurityContext{RunAsNonRoot: ptr(true)}
	for want, user := range map[string]ImageUser{
		"image will run as root":              {UID: ptr(int64(0))},
		"image has non-numeric user (nobody)": {Name: "nobody"},
		"":                                    {UID: ptr(int64(7))},
	} {
		err := verifyRunAsNonRoot(pod, &pod.Spec.Containers[0], sc, user)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", user, err)
		}
	}
}

func TestSandbox(t *testing.T) {
	n := &Node{LogDir: "/var/log/pods", ClusterDNS: []string{"10.96.0.10"}, ClusterDomain: "cluster.local"}
	pod := testPod()
	pod.Spec.ShareProcessNamespace = ptr(true)
	pod.Spec.Containers[0].Ports = []v1.ContainerPort{{ContainerPort: 80, HostPort: 8080, Protocol: v1.ProtocolUDP}}
	pod.Spec.SecurityContext = &v1.PodSecurityContext{Sysctls: []v1.Sysctl{{Name: "net/core/somaxconn", Value: "1"}}}
	got, _, err := n.GeneratePodSandboxConfig(pod, 2)
	if err != nil {
		t.Fatal(err)
	}
	ns := got.Linux.SecurityContext.NamespaceOptions
	if got.Hostname != "web" || got.LogDirectory != "/var/log/pods/shop_web_u1" || got.Metadata.Attempt != 2 ||
		ns.Pid != cri.NamespaceMode_POD || ns.Network != cri.NamespaceMode_POD ||
		got.PortMappings[0].HostPort != 8080 || got.PortMappings[0].Protocol != cri.Protocol_UDP || got.Linux.Sysctls["net.core.somaxconn"] != "1" ||
		got.Labels[kubelettypes.KubernetesPodUIDLabel] != "u1" {
		t.Errorf("%v", got)
	}
	pod.Spec.HostNetwork, pod.Spec.HostPID = true, true
	got, _, err = n.GeneratePodSandboxConfig(pod, 0)
	if err != nil || got.Hostname != "" || got.Linux.SecurityContext.NamespaceOptions.Network != cri.NamespaceMode_NODE ||
		got.Linux.SecurityContext.NamespaceOptions.Pid != cri.NamespaceMode_NODE {
		t.Errorf("%v %v", got, err)
	}
	pod.Spec.HostUsers = ptr(false)
	if _, _, err := n.GeneratePodSandboxConfig(pod, 0); err == nil {
		t.Error("user namespaces are refused, not ignored")
	}
}

func TestShouldRestart(t *testing.T) {
	onFailure := v1.ContainerRestartPolicyOnFailure
	never := v1.ContainerRestartPolicyNever
	rule := v1.ContainerRestartRule{Action: v1.ContainerRestartRuleActionRestart,
		ExitCodes: &v1.ContainerRestartRuleOnExitCodes{Operator: v1.ContainerRestartRuleOnExitCodesOpIn, Values: []int32{42}}}
	for _, tc := range []struct {
		pod  v1.RestartPolicy
		c    v1.Container
		code int32
		want bool
	}{
		{v1.RestartPolicyAlways, v1.Container{}, 0, true},
		{v1.RestartPolicyOnFailure, v1.Container{}, 0, false},
		{v1.RestartPolicyOnFailure, v1.Container{}, 1, true},
		{v1.RestartPolicyNever, v1.Container{}, 1, false},
		{v1.RestartPolicyNever, v1.Container{RestartPolicy: &onFailure}, 1, true},
		{v1.RestartPolicyAlways, v1.Container{RestartPolicy: &onFailure}, 0, false},
		{v1.RestartPolicyNever, v1.Container{RestartPolicy: &never, RestartPolicyRules: []v1.ContainerRestartRule{rule}}, 42, true},
		{v1.RestartPolicyNever, v1.Container{RestartPolicy: &never, RestartPolicyRules: []v1.ContainerRestartRule{rule}}, 43, false},
	} {
		if got := ShouldRestart(&v1.PodSpec{RestartPolicy: tc.pod}, &tc.c, tc.code); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}
