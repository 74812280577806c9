package podset

import (
	"slices"
	"sync"
)

// slowStart calls do for 0 to count-1: once, then twice at once, then four times, and
// so on as long as all of a batch succeed (upstream's slowStartBatch, with
// SlowStartInitialBatchSize 1). Pods that can't be made usually can't for
// one reason, such as a quota; this way a ReplicaSet of a thousand finds out with a
// single request instead of a thousand. It returns how many calls succeeded, and one of
// the errors.
func slowStart(count int, do func(i int) error) (int, error) {
	succeeded := 0
	for batch := 1; succeeded < count; batch *= 2 {
		first, size := succeeded, min(batch, count-succeeded)
		errs := inParallel(size, func(i int) error { return do(first + i) })
		succeeded += size - len(errs)
		if len(errs) > 0 {
			return succeeded, errs[0]
		}
	}
	return succeeded, nil
}

// inParallel calls do for 0 to count-1, all at once, and returns the errors. There is no
// limit of its own: the callers limit count (their burst), and the client its requests.
func inParallel(count int, do func(i int) error) []error {
	results := make([]error, count)
	var running sync.WaitGroup
	for i := range count {
		running.Go(func() { results[i] = do(i) })
	}
	running.Wait()
	return slices.DeleteFunc(results, func(err error) bool { return err == nil })
}
