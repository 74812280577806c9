package picture

import (
	"regexp"
	"strings"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// images draws, for each container, its image, why it can't be had or run,
// and how long the node waits before it tries again.
func (s *Scene) images() []string {
	var rows []string
	for _, p := range s.Pods {
		if text(p, "status", "phase") == "Succeeded" {
			continue
		}
		rows = append(rows, s.podImages(p)...)
	}
	if len(rows) == 0 {
		rows = []string{lang.T("(no pods)", "(파드 없음)")}
	}
	if len(rows) > 3*most {
		rows = append(rows[:3*most-1], "...")
	}
	return box(lang.T("images", "이미지"), rows)
}

func (s *Scene) podImages(p object) []string {
	where := text(p, "spec", "nodeName")
	rows := []string{strings.TrimRight(fit(name(p), 38)+" "+where, " ")}
	states := map[string]object{}
	for _, c := range list(p, "status", "containerStatuses") {
		states[text(c, "name")] = c
	}
	for _, c := range list(p, "spec", "containers") {
		state := states[text(c, "name")]
		reason := stopped(state)
		switch {
		case reason != "":
		case get(state, "ready") == true:
			reason = lang.T("Running, ready", "Running, 준비됨")
		case get(state, "state", "running") != nil:
			reason = lang.T("Running, not ready", "Running, 준비 안 됨")
		default:
			reason = status(p)
		}
		rows = append(rows, "  "+text(c, "image"), "    "+reason+s.next(p, state))
	}
	return rows
}

// next says when the node tries again, where it waits.
func (s *Scene) next(pod, container object) string {
	var left time.Duration
	var known bool
	switch text(container, "state", "waiting", "reason") {
	case "ImagePullBackOff":
		left, known = s.pullBackOff(pod, text(container, "name"))
	case "CrashLoopBackOff":
		left, known = crashBackOff(container, s.Now)
	}
	switch {
	case !known:
		return ""
	case left < time.Second: // over, and the agent comes to it within some seconds
		return lang.T(": trying again in a moment", ": 곧 다시 시도합니다")
	}
	left = left.Round(time.Second)
	return lang.Textf(": next try in about %s", ": 약 %s 뒤 다시 시도", left).String()
}

// The back-off of pulls, as the node does it: from 10 s doubling to 300 s. It
// is kept in the agent, so it is worked out here from the events.
const (
	firstBackOff = 10 * time.Second
	mostBackOff  = 300 * time.Second
)

// pullBackOff is how much is left of the wait after the last failed pull.
func (s *Scene) pullBackOff(pod object, container string) (time.Duration, bool) {
	failures, last := int64(0), time.Time{}
	for _, e := range s.Events {
		if text(e, "involvedObject", "uid") != text(pod, "metadata", "uid") || text(e, "reason") != "Failed" ||
			!strings.HasPrefix(text(e, "message"), "Failed to pull image") ||
			!strings.Contains(text(e, "involvedObject", "fieldPath"), "{"+container+"}") {
			continue
		}
		failures += max(number(e, "count"), 1)
		for _, t := range []time.Time{at(e, "lastTimestamp"), at(e, "eventTime"), at(e, "series", "lastObservedTime")} {
			if t.After(last) {
				last = t
			}
		}
	}
	if failures == 0 || last.IsZero() {
		return 0, false
	}
	wait := mostBackOff
	if failures < 6 { // 10, 20, 40, 80, 160
		wait = firstBackOff << (failures - 1)
	}
	return max(last.Add(wait).Sub(s.Now), 0), true
}

// backOff finds the wait that the agent names: "back-off 40s restarting …".
var backOff = regexp.MustCompile(`back-off (\S+) restarting`)

func crashBackOff(container object, now time.Time) (time.Duration, bool) {
	m := backOff.FindStringSubmatch(text(container, "state", "waiting", "message"))
	ended := at(container, "lastState", "terminated", "finishedAt")
	if m == nil || ended.IsZero() {
		return 0, false
	}
	wait, err := time.ParseDuration(m[1])
	if err != nil {
		return 0, false
	}
	return max(ended.Add(wait).Sub(now), 0), true
}
