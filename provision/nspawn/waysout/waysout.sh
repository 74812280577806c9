# What somebody would try who wants out of a container machine, as root of a node or from
# a pod. Each that works is told with OUT. Where that can be, it is tried with no effect:
# a value is written that is there already.
#
# $A$B is the name of a process, a socket and a key of the host's, in two parts so that
# no command line of ours has it; $KEY is the key's number; $HERE is "node" or "pod".
out() { echo "OUT: $*"; }
exec 2> /dev/null
PATH=/usr/sbin:/usr/bin:/sbin:/bin
T=$(mktemp -d -p /root || mktemp -d) && mkdir "$T/m" && cd "$T" || { echo "OUT: nothing can be tried here"; exit; }
case $(uname -m) in
x86_64) keyctl=250 open_by_handle_at=304 bpf=321 init_module=175 ;;
aarch64) keyctl=219 open_by_handle_at=265 bpf=280 init_module=105 ;;
esac
# call NUMBER, ARGUMENTS in perl, whose strings must be variables: says whether the kernel
# took it.
call() { perl -e '($user, $name) = ("user", "'"$A$B"'"); $r = syscall('"$1"'); exit($r < 0)'; }
# allowed: likewise, but any answer will do that is not a refusal (EPERM, EACCES, ENOSYS).
allowed() { perl -e '$none = ""; $zero = "\0" x 12; $r = syscall('"$1"'); exit($r < 0 && ($! == 1 || $! == 13 || $! == 38))'; }
perl -e 'exit 0' || out "perl is missing, nothing can be tried here"

date -s "@$(date +%s)" > /dev/null && out the clock

# Kernel values, but for those that belong to a namespace of the machine's or the pod's.
values() {
	find "$1/sys" -path "$1/sys/net" -prune -o -type f -perm /222 -print |
		grep -Ev '/sys/(kernel/(shm|msg|sem|auto_msgmni|hostname|domainname|ns_last_pid|pid_max)|fs/mqueue/|user/)' |
		while read -r f; do
			IFS= read -r v < "$f" && echo "$v" > "$f" && out "the value $f"
		done
	echo h > "$1/sysrq-trigger" && out "$1/sysrq-trigger"
}
values /proc
mount -t proc proc m && { values "$T/m"; umount m; }

# Devices: those there are, the disks of the host, and memory, loop, kernel log, tunnels.
for f in $(find /dev -type b -o -type c); do
	case ${f#/dev/} in console | full | net/tun | null | ptmx | pts/* | random | tty | urandom | zero) ;;
	*) out "the device $f" ;; esac
done
{ awk 'NR > 2 { print "b", $1, $2 }' /proc/partitions; echo 'c 1 1
c 1 2
c 1 4
c 1 11
c 10 237'; } | while read -r kind major minor; do
	rm -f d
	mknod d "$kind" "$major" "$minor" && true < d && out "a device $kind $major:$minor"
done
[ "$(head -c1 /proc/kcore | wc -c)" = 1 ] && out /proc/kcore

# cgroups: the program that the kernel runs when one gets empty, and what is above.
agents() {
	find "$1" -maxdepth 2 -name release_agent | while read -r f; do
		v=$(cat "$f") && echo "$v" > "$f" && out "$f"
	done
	find "$1" -maxdepth 2 -name noriter | grep -q . && out "the cgroups of all testbeds in $1"
}
agents /sys/fs/cgroup
for c in memory pids cpu rdma; do
	mount -t cgroup -o $c cgroup m && { agents "$T/m"; umount m; }
done
mount -t cgroup2 cgroup2 m && { agents "$T/m"; umount m; }
[ "$HERE" = node ] && for f in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max; do
	[ -e "$f" ] && v=$(cat "$f") && echo "$v" > "$f" && out "its own limit $f"
done

# The kernel's settings, its modules, its programs.
for f in /sys/kernel/uevent_helper /sys/kernel/profiling /sys/kernel/mm/transparent_hugepage/enabled /sys/power/state; do
	[ -e "$f" ] && true >> "$f" && out "$f"
done
for t in debugfs tracefs securityfs configfs; do
	mount -t $t none m && { out "a $t"; umount m; }
done
allowed "$init_module, \$zero, 1, \$none" && out modules
allowed "$bpf, 11, \$zero, 12" && out bpf
echo -1000 > /proc/self/oom_score_adj && out "not to be killed when memory is short"

# What is the host's: keys, processes, sockets, and files by a handle on the machine's own.
call "$keyctl, 6, $KEY, 0, 0" && out a key of the host
call "$keyctl, 10, -4, \$user, \$name, 0" && out the keyring of the host
for p in /proc/[0-9]*; do
	tr '\0' ' ' < "$p/cmdline" | grep -q "$A$B" && out "process $p"
done
grep -q "@$A$B" /proc/net/unix && out a socket of the host
for dir in /var/lib/containerd /etc/hosts /dev/termination-log /; do
	perl -e 'sysopen(D, "'$dir'", 0) or exit 1; $h = pack("LlLL", 8, 1, 2, 0); exit(syscall('$open_by_handle_at', fileno(D), $h, 0) < 0)' &&
		out "the root of the file system that $dir is on"
done
cd / && rm -rf "$T"
echo done
