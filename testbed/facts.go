package testbed

import (
	"maps"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/remote"
)

// fact is one thing that may be wrong with a testbed, and all that is known of it: how
// it is found in what was seen, how it is said, and what mends it. What `nori status`
// shows, whether it calls the testbed ready, and what errors advise follow from the
// table.
type fact struct {
	// name is the fact's name for scripts.
	name string
	// of finds it on a machine; each text is one case of it.
	of func(s *Status, m *MachineStatus) []lang.Text
	// ofAll finds it in the testbed as a whole.
	ofAll func(s *Status) []lang.Text
	// mend is the command of nori that mends it, and orElse another that does; their
	// %s is the machine. onHost says that it is a command of the host itself.
	mend, orElse string
	onHost       bool
	// does says what the commands do; its %s are the commands.
	does lang.Text
}

// What the commands do that mend most facts.
var (
	switchesOn = lang.Text{EN: "%s switches it on", KO: "%s 명령으로 켭니다"}
	repairs    = lang.Text{EN: "%s repairs it", KO: "%s 명령으로 고칩니다"}
	putsBack   = lang.Text{EN: "%s puts it back", KO: "%s 명령으로 되돌립니다"}
)

// facts are the rows, in the order in which they are shown.
var facts = []fact{
	{name: "machine-absent", of: inState(machine.Absent, lang.Text{EN: "%s is not there: it was never made, or was removed%s", KO: "%s 머신이 없습니다. 만든 적이 없거나 지워졌습니다%s"}),
		mend: "up", does: lang.Text{EN: "%s makes it", KO: "%s 명령으로 만듭니다"}},
	{name: "machine-off", of: inState(machine.Stopped, lang.Text{EN: "%s is off%s", KO: "%s이(가) 꺼져 있습니다%s"}), mend: "up", does: switchesOn},
	{name: "machine-paused", of: inState(machine.Paused, lang.Text{EN: "%s stands still%s", KO: "%s이(가) 멈춰 있습니다%s"}),
		mend: "up", does: lang.Text{EN: "%s lets it go on", KO: "%s 명령으로 다시 움직이게 합니다"}},
	{name: "network", of: networkFault, mend: "up", does: repairs},
	{name: "host-key-changed", of: entry(remote.HostKeyChanged), mend: "reset", does: putsBack},
	{name: "key-refused", of: entry(remote.KeyRefused), mend: "reset", does: putsBack},
	{name: "barred", of: entry(remote.Barred), mend: "reset", does: putsBack},
	{name: "ssh-closed", of: entry(remote.Closed), mend: "reset", does: putsBack},
	{name: "ssh-hung-up", of: entry(remote.HungUp), mend: "reset", does: putsBack},
	{name: "ssh", of: entry(remote.Unreachable, ""), mend: "up", orElse: "reset",
		does: lang.Text{EN: "%s waits for it, %s puts it back", KO: "%s 명령으로 기다려 보거나 %s 명령으로 되돌립니다"}},
	{name: "disk-full", of: diskFull, mend: "ssh %s -- df -h /", orElse: "reset",
		does: lang.Text{EN: "%s shows it, %s puts it back", KO: "%s 명령으로 확인하고 %s 명령으로 되돌립니다"}},
	{name: "host-disk-full", ofAll: hostDiskFull, mend: "df -h", onHost: true,
		does: lang.Text{EN: "%s shows it; with more room the same command takes up from here", KO: "%s 명령으로 확인하세요. 공간을 마련한 다음 같은 명령을 다시 실행하면 이어서 진행합니다"}},
	{name: "unit", of: units, mend: "up", does: lang.Text{EN: "%s starts it", KO: "%s 명령으로 시작합니다"}},
	{name: "no-cluster", ofAll: noCluster, mend: "up", does: lang.Text{EN: "%s makes one", KO: "%s 명령으로 만듭니다"}},
	{name: "api", ofAll: apiSilent, mend: "up", does: repairs},
	{name: "node", of: nodeNotReady, mend: "up", does: repairs},
	{name: "node-cordoned", of: cordoned, mend: "kubectl uncordon %s", does: lang.Text{EN: "%s opens it again", KO: "%s 명령으로 다시 엽니다"}},
	{name: "reset-interrupted", ofAll: resetting, mend: "up", does: lang.Text{EN: "%s completes it", KO: "%s 명령으로 마저 끝냅니다"}},
	{name: "join-interrupted", ofAll: joining, mend: "node add", does: lang.Text{EN: "%s goes on with it", KO: "%s 명령으로 이어서 합니다"}},
}

// Problem is a fact that was found.
type Problem struct {
	Fact    string `json:"fact"`
	Machine string `json:"machine,omitempty"`
	Text    string `json:"text"`
	// Command mends it, Remedy says so.
	Command string `json:"command"`
	Remedy  string `json:"remedy"`
}

// Wrong are all facts that are found in a status.
func (s Status) Wrong() []Problem {
	found := []Problem{}
	for _, f := range facts {
		if f.ofAll != nil {
			for _, text := range f.ofAll(&s) {
				found = append(found, f.problem(s.typed(), "", text))
			}
			continue
		}
		for i := range s.Machines {
			m := &s.Machines[i]
			for _, text := range f.of(&s, m) {
				found = append(found, f.problem(s.typed(), m.Name, text))
			}
		}
	}
	return found
}

func (f fact) problem(say typed, machine string, text lang.Text) Problem {
	return Problem{
		Fact: f.name, Machine: machine, Text: text.String(),
		Command: f.command(say, machine), Remedy: f.remedy(say, machine).String(),
	}
}

// command is what a person has to type.
func (f fact) command(say typed, machine string) string {
	if f.onHost {
		return f.mend
	}
	return say(strings.ReplaceAll(f.mend, "%s", machine))
}

// remedy says what the commands do.
func (f fact) remedy(say typed, machine string) lang.Text {
	commands := []any{"`" + f.command(say, machine) + "`"}
	if f.orElse != "" {
		commands = append(commands, "`"+say(f.orElse)+"`")
	}
	return lang.Textf(f.does.EN, f.does.KO, commands...)
}

// named is the row of a name, which there must be.
func named(name string) fact {
	return facts[slices.IndexFunc(facts, func(f fact) bool { return f.name == name })]
}

func one(text lang.Text) []lang.Text { return []lang.Text{text} }

// inState finds machines in a state; the form's second %s is why.
func inState(state machine.State, form lang.Text) func(*Status, *MachineStatus) []lang.Text {
	return func(_ *Status, m *MachineStatus) []lang.Text {
		if m.State != state {
			return nil
		}
		why := ""
		if m.Detail != "" && state != machine.Absent {
			why = " (" + m.Detail + ")"
		}
		return one(lang.Textf(form.EN, form.KO, m.Name, why))
	}
}

func networkFault(_ *Status, m *MachineStatus) []lang.Text {
	if m.State != machine.Running || m.Fault == "" {
		return nil
	}
	return one(lang.Textf("%s: %s", "%s: %s", m.Name, m.Fault))
}

// entry finds machines that run and do not let us in.
func entry(troubles ...remote.Trouble) func(*Status, *MachineStatus) []lang.Text {
	return func(_ *Status, m *MachineStatus) []lang.Text {
		if m.State != machine.Running || m.SSH == "ok" || !slices.Contains(troubles, m.Trouble) {
			return nil
		}
		return one(lang.Textf("%s", "%s", m.SSH))
	}
}

func diskFull(_ *Status, m *MachineStatus) []lang.Text {
	if m.sharesDisk || m.FreeMiB == nil || *m.FreeMiB >= fullMiB {
		return nil
	}
	return one(lang.Textf("the disk of %s is full: %d MiB are free", "%s의 디스크가 가득 찼습니다. 남은 공간: %d MiB", m.Name, *m.FreeMiB))
}

// hostDiskFull finds it in the machines, whose disks are the host's.
func hostDiskFull(s *Status) []lang.Text {
	if !slices.ContainsFunc(s.Machines, func(m MachineStatus) bool { return m.sharesDisk && m.FreeMiB != nil && *m.FreeMiB < fullMiB }) {
		return nil
	}
	return one(lang.Text{EN: "this host's disk is full, and with it those of the machines", KO: "이 호스트의 디스크가 가득 찼습니다. 머신의 디스크도 마찬가지입니다"})
}

func units(_ *Status, m *MachineStatus) (wrong []lang.Text) {
	for _, u := range slices.Sorted(maps.Keys(m.Units)) {
		if state := m.Units[u]; state != "active" {
			wrong = append(wrong, lang.Textf("%s: %s is %s", "%s: %s 상태: %s", m.Name, u, state))
		}
	}
	return wrong
}

func noCluster(s *Status) []lang.Text {
	if !s.noCluster {
		return nil
	}
	return one(lang.Text{EN: "there is no cluster yet", KO: "아직 클러스터가 없습니다"})
}

func apiSilent(s *Status) []lang.Text {
	control := slices.IndexFunc(s.Machines, func(m MachineStatus) bool { return m.Name == ControlName })
	switch {
	case s.API == "ok", s.noCluster:
		return nil
	case control >= 0 && s.Machines[control].State != machine.Running:
		return nil // that is what is to be mended
	}
	return one(lang.Textf("the API server does not answer: %s", "API 서버가 응답하지 않습니다: %s", s.API))
}

// nodeNotReady passes over machines that do not run: of these there is more to say.
func nodeNotReady(s *Status, m *MachineStatus) []lang.Text {
	if s.API != "ok" || m.State != machine.Running || m.Node == "Ready" {
		return nil
	}
	return one(lang.Textf("node %s is %s", "노드 %s 상태: %s", m.Name, m.Node))
}

func cordoned(s *Status, m *MachineStatus) []lang.Text {
	if s.API != "ok" || !m.Cordoned {
		return nil
	}
	return one(lang.Textf("node %s is cordoned: no new pods come to it", "노드 %s이(가) cordon 상태입니다. 새 파드가 오지 않습니다", m.Name))
}

func resetting(s *Status) []lang.Text {
	if s.resetting == "" {
		return nil
	}
	return one(lang.Textf("a reset to %q has not come to its end", "%q(으)로 되돌리기가 끝나지 않았습니다", s.resetting))
}

func joining(s *Status) []lang.Text {
	if s.joining == "" {
		return nil
	}
	return one(lang.Textf("%s has not joined the cluster to the end", "%s이(가) 클러스터에 끝까지 참여하지 못했습니다", s.joining))
}
