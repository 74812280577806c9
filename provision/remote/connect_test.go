package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/internal/lang"
)

// troubled dials and wants a ConnectError of a kind.
func troubled(t *testing.T, s *server, want Trouble) *ConnectError {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := Dial(ctx, s.target)
	var e *ConnectError
	if !errors.As(err, &e) || e.Trouble != want {
		t.Fatalf("got %v, want the trouble %q", err, want)
	}
	if e.Machine != "node1" || !strings.Contains(e.Error(), "node1") || ctx.Err() != nil {
		t.Errorf("it says %q, %v", e, ctx.Err())
	}
	return e
}

func TestWrongHostKey(t *testing.T) {
	s := newServer(t)
	s.target.HostKey = newKey(t).PublicKey()
	e := troubled(t, s, HostKeyChanged)
	if s.accepted.Load() != 1 {
		t.Errorf("%d tries; a wrong key is no matter of patience", s.accepted.Load())
	}
	if strings.Contains(e.Error(), "another machine") {
		t.Errorf("it guesses: %v", e)
	}
}

// A machine whose key is of another kind does not even show it.
func TestHostKeyOfAnotherKind(t *testing.T) {
	s := newServer(t)
	s.target.HostKey = otherKind{newKey(t).PublicKey()}
	troubled(t, s, HostKeyChanged)
}

// otherKind is a public key of a kind that the server does not have.
type otherKind struct{ ssh.PublicKey }

func (otherKind) Type() string { return ssh.KeyAlgoRSASHA512 }

// Who refuses a key is not asked so often that it bars us.
func TestKeyRefused(t *testing.T) {
	s := newServer(t)
	s.target.Signer = newKey(t)
	troubled(t, s, KeyRefused)
	if n := s.accepted.Load(); n != 2 {
		t.Errorf("%d tries, want 2", n)
	}
}

// silent is a listener that says something and hangs up.
func silent(t *testing.T, says string) *server {
	t.Helper()
	s := newServer(t)
	s.stop()
	l, err := net.Listen("tcp", s.target.address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, says)
			_ = c.Close()
		}
	}()
	return s
}

func TestBarred(t *testing.T) {
	troubled(t, silent(t, "Not allowed at this time\r\n"), Barred)
}

func TestHungUp(t *testing.T) {
	s := silent(t, "")
	s.target.Bear = 300 * time.Millisecond
	troubled(t, s, HungUp)
}

func TestClosed(t *testing.T) {
	s := newServer(t)
	s.stop()
	s.target.Bear = 300 * time.Millisecond
	if e := troubled(t, s, Closed); !errors.Is(e, syscall.ECONNREFUSED) {
		t.Errorf("got %v", e)
	}
}

// The end of the caller's time tells what the trouble was.
func TestDialGivesUpWithTheTrouble(t *testing.T) {
	s := newServer(t)
	s.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := Dial(ctx, s.target)
	var e *ConnectError
	if !errors.As(err, &e) || e.Trouble != Closed || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// A machine that is off is not waited for.
func TestCheckEndsTheWait(t *testing.T) {
	s := newServer(t)
	s.stop()
	off := errors.New("it is off")
	var looks atomic.Int64
	s.target.Check = func(context.Context) error {
		looks.Add(1)
		return off
	}
	if _, err := Dial(t.Context(), s.target); !errors.Is(err, off) || looks.Load() != 1 {
		t.Errorf("got %v after %d looks", err, looks.Load())
	}
}

// TestBearables: how long each trouble is borne, by a machine that ran, by one that
// boots, and by one that is slow.
func TestBearables(t *testing.T) {
	causes := map[Trouble]error{Unreachable: syscall.EHOSTUNREACH, Closed: syscall.ECONNREFUSED, HungUp: io.EOF}
	for _, c := range []struct {
		trouble  Trouble
		booting  bool
		patience int
		bear     time.Duration
		want     time.Duration // 0 is the end of the caller's time
	}{
		{Unreachable, false, 0, 0, time.Minute},
		{Unreachable, false, 4, 0, 4 * time.Minute},
		{Unreachable, true, 1, 0, 0},
		{Unreachable, true, 1, 2 * time.Second, 2 * time.Second},
		{Closed, false, 1, 0, 15 * time.Second},
		{Closed, true, 4, 0, 4 * time.Minute},
		{Closed, false, 4, 2 * time.Second, 8 * time.Second},
		{HungUp, true, 1, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			begun, checks := time.Now(), 0
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
			defer cancel()
			_, err := connect(ctx, Target{
				Name: "node1", Address: netip.MustParseAddr("10.77.0.11"), Patience: c.patience, Booting: c.booting, Bear: c.bear,
				Via:   func(context.Context, string, string) (net.Conn, error) { return nil, causes[c.trouble] },
				Check: func(context.Context) error { checks++; return nil },
			})
			var e *ConnectError
			took := time.Since(begun)
			if !errors.As(err, &e) || e.Trouble != c.trouble {
				t.Fatalf("%+v: got %v", c, err)
			}
			if c.want == 0 && ctx.Err() == nil || c.want > 0 && (took > c.want || took < c.want-2*connectPause) {
				t.Errorf("%+v: it was borne for %s", c, took)
			}
			if most := int(took/checkPause) + 1; checks == 0 || checks > most {
				t.Errorf("%+v: looked at %d times within %s", c, checks, took)
			}
		})
	}
}

func TestConnectErrorsInKorean(t *testing.T) {
	lang.Set(lang.Korean)
	defer lang.Set(lang.English)
	for _, trouble := range []Trouble{Unreachable, Closed, HungUp, KeyRefused, Barred, HostKeyChanged} {
		e := &ConnectError{Machine: "node1", Address: "10.77.0.11:22", Trouble: trouble, Err: io.EOF}
		if s := e.Error(); !strings.Contains(s, "다") || !strings.Contains(s, "node1") {
			t.Errorf("%s: %q", trouble, s)
		}
	}
}
