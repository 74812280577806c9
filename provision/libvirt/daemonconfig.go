package libvirt

import ()

const libvirtdConf = `# The libvirtd of one testbed. Its socket lies in a folder only root may enter.
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_rw_perms = "0700"
max_client_requests = 32
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
`

// qemuConf: as root, because a /dev/kvm that QEMU's user can't open makes
// libvirt probe QEMU again at every call; consoles written by QEMU itself, so
// that no virtlogd is needed; no cgroups, namespaces or labels of its own,
// because the testbed is removed as a whole.
const qemuConf = `user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
security_driver = "none"
cgroup_controllers = []
namespaces = []
`

// startScript runs in the new mount namespace. $1 is the testbed's folder,
// the pairs after it are what is bound over what.
const startScript = `set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755,size=16m nori-run /run
mkdir -p /run/libvirt
while [ $# -gt 0 ]; do
	mount --bind "$1" "$2"
	shift 2
done
exec libvirtd --daemon --config /etc/libvirt/libvirtd.conf --pid-file /run/libvirt/libvirtd.pid
`
