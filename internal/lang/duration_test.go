package lang

import (
	"testing"
	"time"
)

// TestDuration: sentences of both languages say how long it took in their own words.
func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]Text{
		0:                                    {"0s", "0초"},
		17 * time.Second:                     {"17s", "17초"},
		90 * time.Second:                     {"1m30s", "1분 30초"},
		5 * time.Minute:                      {"5m0s", "5분"},
		2*time.Hour + 3*time.Second:          {"2h0m3s", "2시간 3초"},
		300 * time.Millisecond:               {"300ms", "0.3초"},
		-time.Minute - 1500*time.Millisecond: {"-1m1.5s", "-1분 1.5초"},
	} {
		if got := Textf("%s", "%s", d); got != want {
			t.Errorf("%s: got %v, want %v", d, got, want)
		}
	}
}
