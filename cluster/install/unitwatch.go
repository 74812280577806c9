package install

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// endsAlike is how often a unit may end in the same way, while somebody waits for it,
// before that counts as failed for good.
const endsAlike = 3

// unitWatch looks at the units of a machine while somebody waits for them.
type unitWatch struct {
	machine machine.Machine
	units   []string
	// first is how each unit was when it was first looked at.
	first map[string]unitState
}

// unitState is what systemd and the journal tell of a unit.
type unitState struct {
	name, active, sub string
	// queued says that systemd has something to do with it yet.
	queued bool
	// restarts is how often systemd has started it again; status is what its program
	// ended with.
	restarts, status int
	// last is the last that it wrote into the journal, words the last that is no entry
	// of a log but plain words: those with which a program ends.
	last, words string
}

// look is a wait.Look. What it sees are the units that are not active, but for those that
// were stopped, or never started: nobody has anything to do with them yet. One that ends
// again and again in the same way is a fault.
func (w *unitWatch) look(ctx context.Context) (bool, string, error) {
	states, err := readUnits(ctx, w.machine, w.units)
	if err != nil {
		return false, err.Error(), nil // the machine may be busy, and the wait itself knows more
	}
	var seen []string
	for _, u := range states {
		if u.active == "active" || u.active == "inactive" && !u.queued {
			delete(w.first, u.name)
			continue
		}
		if err := w.failedForGood(u); err != nil {
			return false, "", err
		}
		seen = append(seen, u.text())
	}
	return len(seen) == 0, strings.Join(seen, ", "), nil
}

// failedForGood says that the unit ended several times since it was looked at first, in
// the same way. One that loses its lease because the API server is slow ends, too, but
// rarely.
func (w *unitWatch) failedForGood(u unitState) error {
	first, known := w.first[u.name]
	if !known || first.end() != u.end() {
		if w.first == nil {
			w.first = map[string]unitState{}
		}
		w.first[u.name] = u
		return nil
	}
	times := u.restarts - first.restarts
	if times < endsAlike || u.end() == "" {
		return nil
	}
	return lang.Errorf("%s on %s ends again and again (%d times), each time with: %s; `nori ssh %[2]s -- journalctl -u %[1]s` shows more",
		"%[2]s의 %[1]s이(가) 계속 끝납니다(%[3]d번). 매번 이렇게 끝납니다: %[4]s. 자세한 내용은 `nori ssh %[2]s -- journalctl -u %[1]s`로 볼 수 있습니다",
		u.name, w.machine.Name(), times, u.end())
}

// end is how the unit ended the last time: its words, or its status where it had none.
func (u unitState) end() string {
	if u.words == "" && u.status != 0 {
		return lang.Textf("exit status %d", "종료 상태 %d", u.status).String()
	}
	return u.words
}

func (u unitState) text() string {
	s := fmt.Sprintf("%s %s (%s)", u.name, u.active, u.sub)
	if u.restarts > 0 {
		s += lang.Textf(", started again %d times", ", %d번 다시 시작됨", u.restarts).String()
	}
	if u.last != "" {
		s += ": " + u.last
	}
	return s
}

// askUnits is a script that tells of each unit in lines KEY=VALUE, the first of which is
// its Id. The journal, which takes long on a slow machine, is read for those alone that
// are not active, and without what systemd itself says of them.
func askUnits(units []string) string {
	return "for u in " + strings.Join(units, " ") + `; do
	echo "Id=$u"
	now=$(systemctl show -p ActiveState -p SubState -p NRestarts -p ExecMainStatus -p Job "$u")
	echo "$now"
	case $now in *ActiveState=active* | *ActiveState=inactive*) continue;; esac
	said=$(journalctl -n 30 --no-pager -o cat "_SYSTEMD_UNIT=$u.service" 2>/dev/null)
	echo "Last=$(printf '%s\n' "$said" | tail -n 1)"
	echo "Words=$(printf '%s\n' "$said" | grep -v '^{' | tail -n 1)"
done`
}

// readUnits asks a machine for all of the units at once.
func readUnits(ctx context.Context, m machine.Machine, units []string) ([]unitState, error) {
	res, err := m.Run(ctx, machine.Command{Line: askUnits(units), Doing: lang.Text{EN: "looking at the units", KO: "유닛 확인"}})
	if err != nil {
		return nil, err
	}
	return parseUnits(string(res.Stdout)), nil
}

func parseUnits(out string) []unitState {
	var states []unitState
	for l := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(l), "=")
		if key == "Id" {
			states = append(states, unitState{name: value})
		}
		if len(states) == 0 {
			continue
		}
		u := &states[len(states)-1]
		switch key {
		case "ActiveState":
			u.active = value
		case "SubState":
			u.sub = value
		case "Job":
			u.queued = value != "" && value != "0"
		case "NRestarts":
			u.restarts, _ = strconv.Atoi(value) // systemd writes a number
		case "ExecMainStatus":
			u.status, _ = strconv.Atoi(value)
		case "Last":
			u.last = message(value)
		case "Words":
			u.words = logTime.ReplaceAllString(value, "")
		}
	}
	return states
}

// logTime is what makes two lines differ that say the same.
var logTime = regexp.MustCompile(`\btime="[^"]*" ?`)

// message is what a line of a log says, without what is around it.
func message(line string) string {
	var entry struct{ Msg, Error, Why string }
	if json.Unmarshal([]byte(line), &entry) != nil || entry.Msg == "" {
		return logTime.ReplaceAllString(line, "")
	}
	for _, more := range []string{entry.Error, entry.Why} {
		if more != "" {
			entry.Msg += ": " + more
		}
	}
	return entry.Msg
}

// watchUnits is a wait.Look at the units of all targets beside a wait for something
// else: it only finds those that have failed for good.
func (c *Cluster) watchUnits() func(ctx context.Context) (bool, string, error) {
	var mu sync.Mutex
	watches := map[string]*unitWatch{}
	return func(ctx context.Context) (bool, string, error) {
		err := c.each(ctx, func(ctx context.Context, n Node, m machine.Machine) error {
			mu.Lock()
			w := watches[n.Name]
			if w == nil {
				w = &unitWatch{machine: m, units: unitsOf(n)}
				watches[n.Name] = w
			}
			mu.Unlock()
			_, _, err := w.look(ctx)
			return err
		})
		return false, "", err
	}
}
