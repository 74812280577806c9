package wait

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// shown collects what is shown, each with the second in which it was.
type shown struct {
	begun time.Time
	texts []string
}

func (s *shown) show(text string) {
	s.texts = append(s.texts, time.Since(s.begun).Round(time.Millisecond).String()+" "+text)
}

func (s *shown) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(s.texts, want) {
		t.Errorf("shown was\n%s\nwant\n%s", strings.Join(s.texts, "\n"), strings.Join(want, "\n"))
	}
}

func TestALongWaitSaysWhatItWaitsFor(t *testing.T) {
	onFakeClock(t, func(t *testing.T, begun time.Time) {
		s := &shown{begun: begun}
		err := Until(Showing(t.Context(), s.show), 10*time.Second, theMoon, doneAt(begun, 40*time.Second))
		if err != nil {
			t.Error(err)
		}
		s.want(t, "15s waiting for the moon: it is 10s", "20s waiting for the moon: it is 20s", "30s waiting for the moon: it is 30s", "40s ")
	})
}

func TestAShortWaitSaysNothing(t *testing.T) {
	onFakeClock(t, func(t *testing.T, begun time.Time) {
		s := &shown{begun: begun}
		ctx := Showing(t.Context(), s.show)
		for range 5 {
			if err := Until(ctx, time.Second, theMoon, doneAt(time.Now(), 14*time.Second)); err != nil {
				t.Error(err)
			}
		}
		s.want(t)
	})
}

// A look that hangs is a wait as well, and the notice goes when the wait is given up.
func TestALookThatHangsIsToldOf(t *testing.T) {
	onFakeClock(t, func(t *testing.T, begun time.Time) {
		s := &shown{begun: begun}
		err := For(Showing(t.Context(), s.show), 20*time.Second, time.Second, theMoon, func(ctx context.Context) (bool, string, error) {
			<-ctx.Done()
			return false, "", ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		s.want(t, "15s waiting for the moon", "20s ")
	})
}

// Several waits at once are told together; of one within the look of another, only
// the inner one, and only its first line.
func TestWaitsWithinAndBeside(t *testing.T) {
	onFakeClock(t, func(t *testing.T, begun time.Time) {
		s := &shown{begun: begun}
		ctx := Showing(t.Context(), s.show)
		beside := make(chan error)
		go func() { beside <- Until(ctx, time.Second, theMoon, doneAt(begun, 17*time.Second)) }()
		err := Until(ctx, time.Hour, lang.Text{EN: "the tide", KO: "밀물"}, func(ctx context.Context) (bool, string, error) {
			inner := Until(ctx, time.Minute, lang.Text{EN: "the wind", KO: "바람"}, func(context.Context) (bool, string, error) {
				return time.Since(begun) > 30*time.Second, "a breeze\nfrom the west", nil
			})
			return true, "", inner
		})
		if err := errors.Join(err, <-beside); err != nil {
			t.Error(err)
		}
		if last := s.texts[len(s.texts)-1]; last != "1m0s " || !slices.Contains(s.texts, "17s waiting for the wind: a breeze") {
			t.Errorf("shown was %q", s.texts)
		}
		for _, text := range s.texts {
			if strings.Contains(text, "west") || strings.Contains(text, "tide") && strings.Contains(text, "wind") {
				t.Errorf("shown was %q", text)
			}
		}
	})
}

// A wait that sees nothing does not hide one that does: a command that is waited for
// knows less than who looks what it does.
func TestAWaitThatSeesNothingIsNotToldOf(t *testing.T) {
	onFakeClock(t, func(t *testing.T, begun time.Time) {
		s := &shown{begun: begun}
		silent := func(ctx context.Context) error {
			return During(ctx, lang.Text{EN: "the wind", KO: "바람"}, nil, func(context.Context) error {
				time.Sleep(20 * time.Second)
				return nil
			})
		}
		if err := During(Showing(t.Context(), s.show), theMoon, func(context.Context) (bool, string, error) { return false, "clouds", nil }, silent); err != nil {
			t.Error(err)
		}
		if last := s.texts[max(0, len(s.texts)-2):]; !slices.Equal(last, []string{"18s waiting for the moon: clouds", "20s "}) && !slices.Equal(last, []string{"15s waiting for the moon: clouds", "20s "}) {
			t.Errorf("shown was %q", s.texts)
		}
		for _, text := range s.texts {
			if strings.Contains(text, "wind") {
				t.Errorf("shown was %q", text)
			}
		}
	})
}

// What takes long may do one thing after another, none of which does.
func TestManyShortWaitsWithinALongOne(t *testing.T) {
	onFakeClock(t, func(t *testing.T, begun time.Time) {
		s := &shown{begun: begun}
		err := During(Showing(t.Context(), s.show), lang.Text{EN: "the tide", KO: "밀물"}, nil, func(ctx context.Context) error {
			for range 2 {
				if err := Until(ctx, time.Second, theMoon, doneAt(time.Now(), 10*time.Second)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if len(s.texts) == 0 || s.texts[0] != "15s waiting for the moon: it is 4s" && s.texts[0] != "15s waiting for the moon: it is 5s" {
			t.Errorf("shown was %q", s.texts)
		}
	})
}

func TestNoticesInKorean(t *testing.T) {
	before := lang.Current()
	defer lang.Set(before)
	lang.Set(lang.Korean)
	onFakeClock(t, func(t *testing.T, begun time.Time) {
		s := &shown{begun: begun}
		if err := Until(Showing(t.Context(), s.show), 20*time.Second, theMoon, doneAt(begun, 20*time.Second)); err != nil {
			t.Error(err)
		}
		s.want(t, "15s 달을 기다리는 중: it is 0s", "20s ")
	})
}

func TestDuring(t *testing.T) {
	broken := errors.New("it never comes")
	for name, c := range map[string]struct {
		faultAt time.Duration // 0 is never
		want    error
		ends    time.Duration
	}{
		"work that ends": {0, nil, time.Minute},
		"a fault":        {20 * time.Second, broken, 21 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			onFakeClock(t, func(t *testing.T, begun time.Time) {
				s := &shown{begun: begun}
				err := During(Showing(t.Context(), s.show), theMoon, func(context.Context) (bool, string, error) {
					passed := time.Since(begun)
					if c.faultAt > 0 && passed > c.faultAt {
						return false, "", broken
					}
					return false, "it is " + passed.String(), nil
				}, func(ctx context.Context) error {
					select {
					case <-time.After(time.Minute):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				})
				if !errors.Is(err, c.want) || time.Since(begun) != c.ends {
					t.Errorf("got %v after %s", err, time.Since(begun))
				}
				if last := s.texts[len(s.texts)-1]; !strings.HasSuffix(last, "s ") || !slices.Contains(s.texts, "18s waiting for the moon: it is 18s") {
					t.Errorf("shown was %q", s.texts)
				}
			})
		})
	}
}

// Work that has come to its end keeps its result, whatever a look says of it then.
func TestDuringKeepsTheResult(t *testing.T) {
	onFakeClock(t, func(t *testing.T, begun time.Time) {
		own := errors.New("its own")
		err := During(t.Context(), theMoon, func(ctx context.Context) (bool, string, error) {
			<-ctx.Done()
			return false, "", errors.New("cut short")
		}, func(context.Context) error {
			time.Sleep(16 * time.Second)
			return own
		})
		if !errors.Is(err, own) {
			t.Errorf("got %v", err)
		}
	})
}
