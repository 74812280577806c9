package podspec

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestThermalThrottleIsMasked(t *testing.T) {
	sys := t.TempDir()
	var want []string
	for _, cpu := range []string{"cpu0", "cpu1", "cpu10", "cpufreq"} {
		dir := filepath.Join(sys, "devices/system/cpu", cpu, "thermal_throttle")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if cpu != "cpufreq" {
			want = append(want, dir)
		}
	}
	slices.Sort(want)
	if got := thermalThrottle(sys); !slices.Equal(got, want) {
		t.Errorf("masked are %v, want %v", got, want)
	}
	// And so it is for containers, where the machine has it.
	for _, path := range thermalThrottle("/sys") {
		if !slices.Contains(maskedPaths(), path) {
			t.Errorf("%s is not masked", path)
		}
	}
}
