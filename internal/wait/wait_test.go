package wait

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"noriter.dev/noriter/internal/lang"
)

var theMoon = lang.Text{EN: "the moon", KO: "달"}

// onFakeClock runs a test on a clock that stands still while anybody is at work.
func onFakeClock(t *testing.T, f func(t *testing.T, begun time.Time)) {
	synctest.Test(t, func(t *testing.T) { f(t, time.Now()) })
}

// doneAt is done when so much time has passed.
func doneAt(begun time.Time, after time.Duration) Look {
	return func(context.Context) (bool, string, error) {
		passed := time.Since(begun)
		return passed >= after, "it is " + passed.String(), nil
	}
}

func TestUntilLooksAtOnceAndThenEverySoOften(t *testing.T) {
	onFakeClock(t, func(t *testing.T, begun time.Time) {
		looks := 0
		err := Until(t.Context(), 10*time.Millisecond, theMoon, func(context.Context) (bool, string, error) {
			looks++
			if passed := time.Since(begun); passed != time.Duration(looks-1)*10*time.Millisecond {
				t.Errorf("look %d after %s", looks, passed)
			}
			return looks == 4, "", nil
		})
		if err != nil || looks != 4 {
			t.Errorf("%d looks, %v", looks, err)
		}
	})
}

// A context that has ended keeps nobody from seeing that all is done already.
func TestUntilLooksOnceInAnyCase(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	onFakeClock(t, func(t *testing.T, begun time.Time) {
		if err := Until(ctx, time.Second, theMoon, doneAt(begun, 0)); err != nil {
			t.Error(err)
		}
		if err := Until(ctx, time.Second, theMoon, doneAt(begun, 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if passed := time.Since(begun); passed > 0 {
			t.Errorf("it paused for %s", passed)
		}
	})
}

func TestUntilEndsWithAFault(t *testing.T) {
	onFakeClock(t, func(t *testing.T, begun time.Time) {
		boom := errors.New("boom")
		err := Until(t.Context(), time.Second, theMoon, func(context.Context) (bool, string, error) { return true, "", boom })
		if err != boom || time.Since(begun) > 0 { //nolint:errorlint // as it is
			t.Errorf("got %v after %s", err, time.Since(begun))
		}
	})
}

func TestUntilSaysWhatItWaitedFor(t *testing.T) {
	onFakeClock(t, func(t *testing.T, begun time.Time) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		err := Until(ctx, time.Second, theMoon, doneAt(begun, time.Hour))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 1500*time.Millisecond {
			t.Errorf("got %v after %s", err, time.Since(begun))
		}
		for language, want := range map[string]string{
			lang.English: "gave up waiting for the moon after 1.5s; last seen: it is 1s",
			lang.Korean:  "달을 기다리다가 1.5초 만에 포기했습니다; 마지막으로 본 상태: it is 1s",
		} {
			if got := said(err, language); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

func TestUntilSaysWhyItStopped(t *testing.T) {
	onFakeClock(t, func(t *testing.T, begun time.Time) {
		cause := errors.New("another step failed")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
		err := Until(ctx, time.Hour, theMoon, func(context.Context) (bool, string, error) { return false, "", nil })
		if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) || time.Since(begun) != 20*time.Millisecond {
			t.Errorf("got %v after %s", err, time.Since(begun))
		}
		if got, want := said(err, lang.English), "stopped waiting for the moon after 20ms: another step failed"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got, want := said(err, lang.Korean), "달을 기다리다가 0.02초 만에 중단했습니다: another step failed"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// The last look is cut short by the end of the wait: what it makes of that is
// neither a fault nor news.
func TestUntilPassesOverALookCutShort(t *testing.T) {
	cut := errors.New("cut short")
	for name, asFault := range map[string]bool{"as a fault": true, "as something seen": false} {
		t.Run(name, func(t *testing.T) {
			onFakeClock(t, func(t *testing.T, begun time.Time) {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				err := Until(ctx, time.Second, theMoon, func(ctx context.Context) (bool, string, error) {
					if time.Since(begun) < 2*time.Second {
						return false, "half of it", nil
					}
					<-ctx.Done()
					if asFault {
						return false, "", cut
					}
					return false, "nothing", nil
				})
				if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, cut) != asFault || !strings.HasSuffix(err.Error(), "last seen: half of it") {
					t.Errorf("got %v", err)
				}
			})
		})
	}
	// Where it was the only one, it is all there is to tell.
	onFakeClock(t, func(t *testing.T, _ time.Time) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := Until(ctx, time.Second, theMoon, func(ctx context.Context) (bool, string, error) {
			<-ctx.Done()
			return false, "", cut
		})
		if err == nil || !strings.HasSuffix(err.Error(), "last seen: cut short") {
			t.Errorf("got %v", err)
		}
	})
}

// A connection has the deadline of its context, and may fail a moment before the
// context has ended.
func TestOver(t *testing.T) {
	for deadline, want := range map[time.Time]bool{time.Now().Add(-time.Millisecond): true, time.Now().Add(time.Hour): false} {
		if Over(unaware{t.Context(), deadline}) != want {
			t.Errorf("over is not %v at the deadline %s", want, deadline)
		}
	}
}

// unaware is a context that does not end by itself when its deadline has passed.
type unaware struct {
	context.Context
	deadline time.Time
}

func (u unaware) Deadline() (time.Time, bool) { return u.deadline, true }

func TestUntilRestingPausesLongerAfterLongLooks(t *testing.T) {
	for _, c := range []struct{ took, pause time.Duration }{
		{0, 100 * time.Millisecond},
		{10 * time.Millisecond, 100 * time.Millisecond},
		{200 * time.Millisecond, time.Second},
		{3 * time.Second, 2 * time.Second},
	} {
		onFakeClock(t, func(t *testing.T, begun time.Time) {
			looks := 0
			err := UntilResting(t.Context(), 100*time.Millisecond, theMoon, func(context.Context) (bool, string, error) {
				if at, want := time.Since(begun), time.Duration(looks)*(c.took+c.pause); at != want {
					t.Errorf("look %d, of %s, begins at %s, want %s", looks, c.took, at, want)
				}
				looks++
				time.Sleep(c.took)
				return looks == 3, "", nil
			})
			if err != nil || looks != 3 {
				t.Errorf("%d looks, %v", looks, err)
			}
		})
	}
}

func TestWithin(t *testing.T) {
	onFakeClock(t, func(t *testing.T, begun time.Time) {
		done, err := Within(t.Context(), time.Second, 100*time.Millisecond, theMoon, doneAt(begun, 300*time.Millisecond))
		if !done || err != nil || time.Since(begun) != 300*time.Millisecond {
			t.Errorf("done %v, %v after %s", done, err, time.Since(begun))
		}
		done, err = Within(t.Context(), time.Second, 100*time.Millisecond, theMoon, doneAt(begun, time.Hour))
		if done || err != nil || time.Since(begun) != 1300*time.Millisecond {
			t.Errorf("done %v, %v after %s", done, err, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if done, err = Within(ctx, time.Second, 100*time.Millisecond, theMoon, doneAt(begun, time.Hour)); done || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller's own end: done %v, %v", done, err)
		}
		boom := errors.New("boom")
		if done, err = Within(t.Context(), time.Second, time.Second, theMoon, func(context.Context) (bool, string, error) { return false, "", boom }); done || !errors.Is(err, boom) {
			t.Errorf("a fault: done %v, %v", done, err)
		}
	})
}

func said(err error, language string) string {
	before := lang.Current()
	defer lang.Set(before)
	lang.Set(language)
	return err.Error()
}
