package netsetup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"noriter.dev/noriter/cluster/trace"
)

// probeLimit bounds the look whether iptables works.
const probeLimit = 5 * time.Second

// confName sorts early: a runtime takes the first configuration of the directory.
const confName = "10-noriter.conflist"

// conflist writes the CNI configuration, from which moment on the runtime says that
// its network is ready.
func (s *setup) conflist(ctx context.Context, self peer) error {
	if s.hostPorts == nil {
		can := !s.cfg.WithoutHostPorts && canHostPorts(ctx, s.cfg.BinDirs)
		s.hostPorts = &can
	}
	want := conflist(self, s.mtu(), *s.hostPorts)
	path := filepath.Join(s.cfg.ConfDir, confName)
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err := os.MkdirAll(s.cfg.ConfDir, 0o755); err != nil {
		return fmt.Errorf("making the directory of CNI configurations: %w", err)
	}
	if err := replaceFile(path, want); err != nil {
		return fmt.Errorf("writing the CNI configuration: %w", err)
	}
	trace.Decide(ctx, trace.Object{Kind: "Node", Name: s.cfg.NodeName}, "pod network configured",
		"the node has a pod network now, and without a CNI configuration the runtime can't connect pods to it",
		"podCIDR", self.pods.String(), "file", path)
	return nil
}

// conflist is the configuration as the CNI specification 1.0.0 has it. hostPorts
// adds the plugin that makes a container's hostPort work.
func conflist(self peer, mtu int, hostPorts bool) []byte {
	type dict = map[string]any
	plugins := []dict{{
		"type": "ptp",
		"mtu":  mtu,
		// The node masquerades by rules of its own: see masquerade.
		"ipMasq": false,
		"ipam": dict{
			"type":   "host-local",
			"ranges": [][]dict{{{"subnet": self.pods.String()}}},
			"routes": []dict{{"dst": "0.0.0.0/0"}},
		},
	}}
	if hostPorts {
		plugins = append(plugins, dict{"type": "portmap", "capabilities": dict{"portMappings": true}, "snat": true})
	}
	list := dict{"cniVersion": "1.0.0", "name": "noriter", "plugins": plugins}
	// Strings, numbers and booleans can always be encoded.
	data, _ := json.MarshalIndent(list, "", "  ")
	return append(data, '\n')
}

// canHostPorts reports whether the plugin portmap is installed and can work. Up to
// its version 1.5 it needs the iptables command, with the kernel's support for it;
// a plugin that fails would keep every pod of the node from starting.
func canHostPorts(ctx context.Context, dirs []string) bool {
	found := slices.ContainsFunc(dirs, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "portmap"))
		return err == nil
	})
	if !found {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "iptables", "--wait", "2", "-t", "nat", "-S", "POSTROUTING").CombinedOutput(); err != nil {
		slog.Warn("hostPort won't work on this node: iptables can't", "error", err, "output", string(out))
		return false
	}
	return true
}

// replaceFile writes a file that is never seen half.
func replaceFile(path string, data []byte) error {
	// The runtime ignores names that don't end in .conf, .conflist or .json.
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
