package trace

import (
	"encoding/json"
	"time"
)

// Record is one decision as read back from a log.
type Record struct {
	Time      time.Time `json:"time"`
	Component string    `json:"component"`
	What      string    `json:"msg"`
	Why       string    `json:"why"`
	Object    Object    `json:"object"`
	Source    string    `json:"source"` // file:line, relative to the module
	Func      string    `json:"func"`
	// Detail holds the further key-value pairs given to Decide.
	Detail map[string]any `json:"-"`
}

// Parse reads one line of a component's log. It is false for every line that is
// no decision: other log lines, and the output of libraries that know no slog.
func Parse(line []byte) (Record, bool) {
	var r Record
	if err := json.Unmarshal(line, &r); err != nil || r.Object.Kind == "" || r.Source == "" {
		return Record{}, false
	}
	if err := json.Unmarshal(line, &r.Detail); err != nil {
		return Record{}, false
	}
	for _, known := range []string{"time", "level", "component", "msg", "why", "object", "source", "func"} {
		delete(r.Detail, known)
	}
	return r, true
}
