package histories

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// status is what `nori status -o json` says.
type status struct {
	Ready    bool
	API      string
	Machines []struct{ Name, State, SSH, Node string }
	Problems []problem
}

type problem struct{ Fact, Text string }

// unseen says that what is wrong is nothing that a look sees: a command did not come to
// its end, and had still to bring images or to clear up, or nothing can be written.
func (s status) unseen() bool {
	facts := []string{"join-interrupted", "reset-interrupted", "host-disk-full"}
	other := func(p problem) bool { return !slices.Contains(facts, p.Fact) }
	return len(s.Problems) > 0 && !slices.ContainsFunc(s.Problems, other)
}

// lacksKeys says that nori can't look: the files by which it would get in are damaged,
// and it says what to type.
func (s status) lacksKeys() bool {
	return slices.ContainsFunc(s.Machines, func(m struct{ Name, State, SSH, Node string }) bool {
		return m.SSH != "ok" && len(advice(m.SSH)) > 0
	})
}

// checkStatus holds `nori status` to what is there. What may only just be changing is
// looked at again, before and after.
func (w *world) checkStatus() error {
	var wrong error
	for try := range 8 {
		if try > 0 {
			time.Sleep(3 * time.Second)
		}
		before := w.look()
		people := w.start("status") // both forms at once: each takes its time where nothing answers
		_, s, err := w.askStatus()
		text := people.end(w.limit("status"))
		if err != nil {
			return err
		}
		after := w.look()
		if wrong = compare(s, before, after); wrong == nil {
			return w.checkStatusText(text)
		}
		w.say("  status: %v (try %d)", wrong, try)
	}
	return wrong
}

// askStatus asks in the form for programs.
func (w *world) askStatus() (result, status, error) {
	var s status
	r, err := w.obey("status", "-o", "json")
	if err != nil {
		return r, s, err
	}
	i := strings.Index(r.out, "{")
	if i < 0 {
		if r.code == 0 {
			return r, s, breaks(exitCodes, "nori status ended with 0 and said %s", lastLine(r.out))
		}
		if len(advice(r.out)) == 0 && !w.full {
			return r, s, breaks(forPeople, "nori status names no command to type: %s", said(r.out))
		}
		return r, s, nil
	}
	if err := json.NewDecoder(strings.NewReader(r.out[i:])).Decode(&s); err != nil {
		return r, s, breaks(exitCodes, "nori status -o json: %v in %s", err, r.out)
	}
	if s.Ready != (r.code == 0) {
		return r, s, breaks(exitCodes, "nori status ended with %d where ready is %v", r.code, s.Ready)
	}
	return r, s, nil
}

// compare finds where status says other than two looks, one before and one after.
func compare(s status, before, after sight) error {
	if wholeBefore, why := before.whole(); s.Ready && !wholeBefore {
		if wholeAfter, _ := after.whole(); !wholeAfter {
			return breaks(honest, "it says ready, and %s", why)
		}
	}
	for _, m := range s.Machines {
		was, is := before.machines[m.Name], after.machines[m.Name]
		switch {
		case m.State != "running" && was.answers == "ok" && is.answers == "ok":
			return breaks(honest, "it says that %s is %s, and that answers", m.Name, m.State)
		case m.State == "running" && !was.alive && !is.alive:
			return breaks(honest, "it says that %s is running, and there is no process of it", m.Name)
		}
	}
	wholeBefore, _ := before.whole()
	wholeAfter, _ := after.whole()
	if !s.Ready && wholeBefore && wholeAfter && !s.lacksKeys() && !s.unseen() {
		return breaks(honest, "it says that the testbed is not ready, and all is well: %v", s.Problems)
	}
	return nil
}

// checkStatusText holds the form for people to naming what to type.
func (w *world) checkStatusText(r result) error {
	if err := ended(r); err != nil {
		return err
	}
	if r.code != 0 && len(advice(r.out)) == 0 && !w.full {
		return breaks(forPeople, "nori status names no command to type: %s", said(r.out))
	}
	return nil
}
