package machine

import (
	"testing"

	"noriter.dev/noriter/internal/lang"
)

// A script's first line tells nobody anything.
func TestExitErrorNamesWhatWasBeingDone(t *testing.T) {
	doing := lang.Text{EN: "setting up containerd", KO: "containerd 설정"}
	for _, c := range []struct {
		err    ExitError
		en, ko string
	}{
		{ExitError{Line: "set -e\nmkdir /x", Doing: doing, Status: 1}, "on node1: setting up containerd: exit status 1", "node1에서 containerd 설정: 종료 상태 1"},
		{ExitError{Line: "set -e\nmkdir /x", Status: 1}, "on node1: exit status 1", "node1에서 종료 상태 1"},
		{ExitError{Line: "systemctl stop x ", Status: 5}, "on node1: systemctl stop x: exit status 5", "node1에서 systemctl stop x: 종료 상태 5"},
		{ExitError{Line: "a\nb", Doing: doing, Status: -1, Reason: "killed", Output: "one\ntwo\n"},
			"on node1: setting up containerd: killed\n    one\n    two", "node1에서 containerd 설정: killed\n    one\n    two"},
	} {
		c.err.Machine = "node1"
		for language, want := range map[string]string{lang.English: c.en, lang.Korean: c.ko} {
			lang.Set(language)
			if got := c.err.Error(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
	lang.Set(lang.English)
}
