package lang

import (
	"strconv"
	"strings"
	"time"
)

// koreanDuration is a duration in words: "1분 30초" for what Go writes as "1m30s". Units of
// which there are none are left out. Below a second there are no names that people use: it
// is a fraction of one.
func koreanDuration(d time.Duration) string {
	if d < 0 {
		return "-" + koreanDuration(-d)
	}
	var parts []string
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "시간"}, {time.Minute, "분"}} {
		if n := d / unit.of; n > 0 {
			parts = append(parts, strconv.FormatInt(int64(n), 10)+unit.name)
			d %= unit.of
		}
	}
	if d > 0 || len(parts) == 0 {
		parts = append(parts, strconv.FormatFloat(d.Seconds(), 'f', -1, 64)+"초")
	}
	return strings.Join(parts, " ")
}
