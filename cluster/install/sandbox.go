package install

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"noriter.dev/noriter/cluster/install/pki"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/provision/machine"
)

// account is the user that a unit runs as, and what of the installed files it
// reads although others may not. The agent has none: it mounts, and keeps what
// belongs to all users.
type account struct {
	unit string
	// id is the user's and the group's number. It is one that no distribution gives
	// to anybody (systemd's range for dynamic users), because a container machine's
	// files are the host's too, by number.
	id    int
	about string
	owns  []string
	// shares is what the group may read of another account's files.
	shares []string
}

var accounts = []account{
	{unit: unitEtcd, id: 65101, about: "the cluster's store", owns: []string{pki.CertDir + "/etcd/server.key"}},
	{unit: unitAPIServer, id: 65102, about: "the API server", owns: []string{
		pki.CertDir + "/apiserver.key", pki.CertDir + "/apiserver-kubelet-client.key", pki.CertDir + "/apiserver-etcd-client.key",
		pki.CertDir + "/front-proxy-client.key", pki.ServiceAccountKey, pki.Dir + "/encryption.yaml",
	}},
	{unit: unitScheduler, id: 65103, about: "the scheduler", owns: []string{pki.Dir + "/scheduler.conf"}},
	{unit: unitControllers, id: 65104, about: "the controllers",
		owns: []string{pki.Dir + "/controller-manager.conf"}, shares: []string{pki.ServiceAccountKey}},
	{unit: unitProxy, id: 65105, about: "the proxy of Services", owns: []string{pki.Dir + "/kube-proxy.conf"}},
	{unit: unitRegistry, id: 65106, about: "the registry",
		owns: []string{pki.RegistryDir + "/server.key", registryAccounts, pki.RegistryWriter}},
}

// registryAccounts is who may pull what is private.
const registryAccounts = pki.RegistryDir + "/htpasswd"

// usersFile tells systemd-sysusers of the accounts.
const usersFile = "/etc/sysusers.d/noriter.conf"

// accountsOf are those of a node.
func accountsOf(n Node) []account {
	units := unitsOf(n)
	return slices.DeleteFunc(slices.Clone(accounts), func(a account) bool { return !slices.Contains(units, a.unit) })
}

// userFile is the accounts' list for a node.
func userFile(n Node) machine.File {
	var b strings.Builder
	for _, a := range accountsOf(n) {
		fmt.Fprintf(&b, "u %s %d %q\n", a.unit, a.id, "Noriter, "+a.about)
	}
	return machine.File{Path: usersFile, Content: []byte(b.String())}
}

// handOver is a script that makes the accounts and gives them their files. Files
// arrive as root's, and readable by root alone.
func handOver(n Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "systemd-sysusers %s\n", usersFile)
	for _, a := range accountsOf(n) {
		fmt.Fprintf(&b, "chown %[1]s:%[1]s -- %[2]s\n", a.unit, shell.Join(a.owns...))
	}
	for _, a := range accountsOf(n) {
		if len(a.shares) > 0 {
			fmt.Fprintf(&b, "chgrp %s -- %s\n", a.unit, shell.Join(a.shares...))
		}
	}
	return b.String()
}

// confined is what each unit gets that needs nothing of the machine but its
// files, its folder and the network (systemd.exec(5)). `systemd-analyze security`
// has the meaning of each line.
var confined = []string{
	"NoNewPrivileges=yes",
	"ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "PrivateDevices=yes",
	"ProtectClock=yes", "ProtectHostname=yes", "ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectControlGroups=yes",
	"ProtectProc=invisible",
	"RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
	"RestrictNamespaces=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes", "RemoveIPC=yes",
	"LockPersonality=yes", "MemoryDenyWriteExecute=yes", "KeyringMode=private", "UMask=0077",
	"SystemCallArchitectures=native", "SystemCallErrorNumber=EPERM",
	"SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources",
}

// unprivileged is added where the kernel's settings are none of the unit's business.
var unprivileged = []string{"CapabilityBoundingSet=", "ProtectKernelTunables=yes", "ProcSubset=pid"}

// netAdmin is added for the proxy, which writes nftables.
var netAdmin = []string{"CapabilityBoundingSet=CAP_NET_ADMIN", "AmbientCapabilities=CAP_NET_ADMIN"}

// agentBounds are the agent's. It stays root, in the machine's own mount
// namespace: what it mounts must be seen by the runtime. It can't load modules,
// set the clock, trace processes, open raw devices or reboot.
var agentBounds = []string{
	"NoNewPrivileges=yes",
	"CapabilityBoundingSet=CAP_SYS_ADMIN CAP_NET_ADMIN CAP_NET_RAW CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID",
	"RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
	"RestrictNamespaces=yes", "RestrictRealtime=yes",
	"LockPersonality=yes", "MemoryDenyWriteExecute=yes", "KeyringMode=private",
	"SystemCallArchitectures=native", "SystemCallErrorNumber=EPERM",
	"SystemCallFilter=@system-service @mount",
	"SystemCallFilter=~@clock @cpu-emulation @debug @keyring @module @obsolete @raw-io @reboot @swap bpf",
}

// keeps is a folder below /var/lib that the unit writes to. Whoever restores it
// does so as root, so it is handed over at each start.
func keeps(unit, dir string) []string {
	return []string{
		"StateDirectory=" + dir, "StateDirectoryMode=0700",
		fmt.Sprintf("ExecStartPre=+/bin/chown -R %[1]s:%[1]s %[2]s", unit, path.Join("/var/lib", dir)),
	}
}

// sandbox are a unit's lines.
func sandbox(unit string) []string {
	switch unit {
	case unitAgent:
		return agentBounds
	case unitProxy:
		return slices.Concat(asUser(unit), confined, netAdmin)
	case unitEtcd:
		return slices.Concat(asUser(unit), keeps(unit, "etcd"), confined, unprivileged)
	case unitAPIServer:
		return slices.Concat(asUser(unit), []string{"LogsDirectory=kubernetes", "LogsDirectoryMode=0750"}, confined, unprivileged)
	case unitRegistry:
		return slices.Concat(asUser(unit), keeps(unit, "noriter/registry"), confined, unprivileged)
	}
	return slices.Concat(asUser(unit), confined, unprivileged)
}

func asUser(unit string) []string { return []string{"User=" + unit} }
