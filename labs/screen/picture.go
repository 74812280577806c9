package screen

import (
	"context"
	"slices"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/run"
)

// pictureBeat is how often a picture is drawn anew; a back-off counts down in it.
const pictureBeat = time.Second

// pictures draws the open step's picture again and again, and passes it on
// where it has changed. A step without one ends it at once; while the cluster
// doesn't answer, the last picture stays (the checks say what is wrong).
func pictures(ctx context.Context, s *run.Session, on chan<- []string) {
	step, _, err := s.Step()
	if err != nil || step.Picture == nil {
		return
	}
	ticker := time.NewTicker(pictureBeat)
	defer ticker.Stop()
	var last []string
	for {
		if lines, err := s.Picture(ctx); err == nil && !slices.Equal(lines, last) {
			last = lines
			select {
			case on <- lines:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// pictured puts the picture above the rest where both fit; offer says that it
// doesn't, so that it is shown when it is asked for.
func (l *live) pictured(rest []string, room int) (lines []string, offer bool) {
	switch {
	case len(l.picture) == 0:
		return rest, false
	case l.pictureOnly:
		return l.picture, true
	case len(l.picture)+1+len(rest) > room:
		return rest, true
	}
	return append(append(append([]string{}, l.picture...), ""), rest...), false
}

// pictureLabel names the key for the picture, or for the way back.
func (l *live) pictureLabel() string {
	if l.pictureOnly {
		return lang.T("p: back to the checks", "p: 검사로 돌아가기")
	}
	return lang.T("p: picture", "p: 그림")
}

// hasPicture tells whether the open step has one.
func hasPicture(s *run.Session) bool {
	step, _, err := s.Step()
	return err == nil && step.Picture != nil
}

// picture gives the open step's picture for printing; empty if there is none
// or the cluster doesn't answer.
func (u *UI) picture(ctx context.Context, s *run.Session) []string {
	lines, err := s.Picture(ctx)
	if err != nil || len(lines) == 0 {
		return nil
	}
	return append([]string{""}, lines...)
}
