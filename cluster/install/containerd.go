package install

import (
	"bytes"
	"text/template"
)

// containerdTemplate is containerd 1.7's configuration, format version 2.
// Debian keeps the CNI plugins in /usr/lib/cni. Registries are configured by
// files in /etc/containerd/certs.d, as people do it on a node.
var containerdTemplate = template.Must(template.New("containerd").Parse(`version = 2
oom_score = 0

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{{.Pause}}"
  # Without CAP_SYS_RESOURCE runc may not lower oom_score_adj and would fail.
  restrict_oom_score_adj = {{.RestrictOOM}}
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  max_concurrent_downloads = 3
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    discard_unpacked_layers = false
    snapshotter = "overlayfs"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
`))

func containerdConfig(pause string, f facts) []byte {
	var b bytes.Buffer
	// The template and its data are both ours: it can't fail.
	_ = containerdTemplate.Execute(&b, map[string]any{"Pause": pause, "RestrictOOM": !f.sysResource})
	return b.Bytes()
}
