package install

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"noriter.dev/noriter/provision/machine"
)

// here is a machine that is this host, with programs of the test's before its own.
type here struct {
	t   *testing.T
	bin string
}

func (h here) Name() string                                           { return "node1" }
func (h here) Address() netip.Addr                                    { return netip.Addr{} }
func (h here) Upload(context.Context, ...machine.File) error          { return nil }
func (h here) Dial(context.Context, string, string) (net.Conn, error) { return nil, nil }
func (h here) Close() error                                           { return nil }
func (h here) Run(_ context.Context, c machine.Command) (machine.Result, error) {
	cmd := exec.Command("/bin/sh", "-c", c.Line)
	cmd.Env = []string{"D=" + h.bin, "PATH=" + h.bin + ":" + os.Getenv("PATH")}
	out, err := cmd.Output()
	return machine.Result{Stdout: out}, err
}

// put writes a file that the programs read, or a program.
func (h here) put(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.bin, name), []byte(text), 0o755); err != nil {
		h.t.Fatal(err)
	}
}

func newHere(t *testing.T) here {
	h := here{t: t, bin: t.TempDir()}
	h.put("systemctl", "#!/bin/sh\nfor u; do :; done\ncat $D/$u.state\n") // the last argument is the unit
	h.put("journalctl", "#!/bin/sh\nfor u; do :; done\nu=${u#_SYSTEMD_UNIT=}\ncat $D/${u%.service}.journal\n")
	return h
}

func state(active, sub string, restarts, status string) string {
	return "ActiveState=" + active + "\nSubState=" + sub + "\nNRestarts=" + restarts + "\nExecMainStatus=" + status + "\n"
}

func TestUnitWatch(t *testing.T) {
	h := newHere(t)
	w := &unitWatch{machine: h, units: []string{"nori-agent", "nori-proxy"}}
	look := func() (bool, string, error) {
		t.Helper()
		return w.look(t.Context())
	}
	h.put("nori-agent.state", state("active", "running", "0", "0"))
	h.put("nori-agent.journal", "must not be read\n")
	h.put("nori-proxy.state", state("activating", "start", "0", "0"))
	h.put("nori-proxy.journal", `{"time":"2026-01-01T00:00:00Z","msg":"waiting","error":"no route"}`+"\n")
	if done, seen, err := look(); done || seen != "nori-proxy activating (start): waiting: no route" || err != nil {
		t.Errorf("starting: %v, %q, %v", done, seen, err)
	}

	// One that was stopped does not start by itself; one that is about to start does.
	for job, want := range map[string]string{"": "", "12": "nori-proxy inactive (dead)"} {
		h.put("nori-proxy.state", state("inactive", "dead", "0", "0")+"Job="+job+"\n")
		if done, seen, err := look(); done != (want == "") || seen != want || err != nil {
			t.Errorf("inactive, job %q: %v, %q, %v", job, done, seen, err)
		}
	}

	// It ends with the same words again and again, and starts with a line of its log.
	for restarts, ended := range map[string]bool{"2": false, "4": false, "5": true} {
		w.first = map[string]unitState{"nori-proxy": {name: "nori-proxy", restarts: 2, words: "nori-node: no such file"}}
		h.put("nori-proxy.state", state("activating", "auto-restart", restarts, "1"))
		h.put("nori-proxy.journal", "nori-node: no such file\n"+`{"msg":"begins"}`+"\n")
		_, seen, err := look()
		if (err != nil) != ended || ended && !strings.Contains(err.Error(), "nori-proxy on node1 ends again and again (3 times), each time with: nori-node: no such file; `nori ssh node1 -- journalctl -u nori-proxy`") {
			t.Errorf("after %s restarts: %q, %v", restarts, seen, err)
		}
	}

	// Other words, or none but another status: it is not the same fault.
	w.first = map[string]unitState{"nori-proxy": {name: "nori-proxy", restarts: 2, words: "one thing"}}
	h.put("nori-proxy.journal", "another\n")
	if _, _, err := look(); err != nil {
		t.Errorf("other words: %v", err)
	}
	h.put("nori-proxy.state", state("activating", "auto-restart", "9", "203"))
	h.put("nori-proxy.journal", "")
	w.first = map[string]unitState{"nori-proxy": {name: "nori-proxy", restarts: 2, status: 203}}
	if _, _, err := look(); err == nil || !strings.Contains(err.Error(), "exit status 203") {
		t.Errorf("a program that is not there: %v", err)
	}
	h.put("nori-proxy.state", state("active", "running", "9", "0"))
	if done, seen, err := look(); !done || seen != "" || err != nil || len(w.first) != 0 {
		t.Errorf("active: %v, %q, %v, %v", done, seen, err, w.first)
	}
}

func TestMessage(t *testing.T) {
	for line, want := range map[string]string{
		`{"time":"x","level":"INFO","msg":"assigned","why":"it fits"}`: "assigned: it fits",
		`time="2026-01-01" level=fatal msg="no"`:                       `level=fatal msg="no"`,
		"plain words":                                                  "plain words",
		"":                                                             "",
	} {
		if got := message(line); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}
