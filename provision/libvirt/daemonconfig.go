package libvirt

import "fmt"

const libvirtdConf = `# The libvirtd of one testbed. Its socket lies in a folder only root may enter.
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_rw_perms = "0700"
max_client_requests = 32
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
`

// qemuConf: a user of its own, in QEMU's own sandbox of system calls; which
// files it owns is said by us (daemonfiles.go), since libvirt would also take
// those that testbeds share; consoles written by virtlogd, which bounds them
// (daemonlog.go); no cgroups, namespaces or labels of its own, because the
// testbed is removed as a whole.
func qemuConf(u qemuUser) string {
	return fmt.Sprintf(`user = "%s"
group = "+%d"
seccomp_sandbox = 1
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "%s"
security_driver = "none"
cgroup_controllers = []
namespaces = []
`, u.name, u.gid, stdioHandler())
}

// stash is where libvirtd's mount namespace keeps, for root alone, what it
// covered.
const stash = "/run/nori"

// startScript runs in the new mount namespace. Its arguments are pairs of what
// is bound over what, "--", the driver's folder by its real path and by the one
// that libvirt is told, and the folders to cover (daemonfiles.go).
const startScript = `set -e
umask 022
mount --make-rprivate /
mount -t tmpfs -o mode=755,size=16m nori-run /run
mkdir -p /run/libvirt
while [ "$1" != -- ]; do
	mount --bind "$1" "$2"
	shift 2
done
real=$2 dir=$3
shift 3
mkdir -m 700 ` + stash + `
mkdir ` + stash + `/dir
mount --bind "$real" ` + stash + `/dir
for cover; do
	mkdir -p "` + stash + `/closed$cover"
	mount --rbind "$cover" "` + stash + `/closed$cover"
	mount -t tmpfs -o mode=755,size=1m nori-closed "$cover"
done
for place in "$real" "$dir"; do
	mkdir -p "$place"
	[ "$place" -ef ` + stash + `/dir ] || mount --bind ` + stash + `/dir "$place"
done
exec libvirtd --daemon --config /etc/libvirt/libvirtd.conf --pid-file /run/libvirt/libvirtd.pid
`

// lendScript runs in libvirtd's mount namespace and shows there, for reading,
// the files named: each in the place it has outside, and nothing beside it.
const lendScript = `set -e
umask 022
for file; do
	mkdir -p "${file%/*}"
	if [ -e "$file" ]; then umount -l "$file" || :; else : > "$file"; fi
	mount --bind "` + stash + `/closed$file" "$file"
	mount -o remount,bind,ro "$file"
done
`
