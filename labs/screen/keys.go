package screen

import (
	"context"
	"fmt"
	"os"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// keyboard reads single keys from a terminal. Only echo and line buffering
// are switched off: Ctrl-C stays a signal, and output keeps its newlines.
type keyboard struct {
	f   *os.File
	old *unix.Termios
}

func openKeyboard(f *os.File) (*keyboard, error) {
	old, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("reading the terminal's settings: %w", err)
	}
	k := &keyboard{f: f, old: old}
	return k, k.resume()
}

// resume switches to single keys.
func (k *keyboard) resume() error {
	mode := *k.old
	mode.Lflag &^= unix.ICANON | unix.ECHO
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(k.f.Fd()), unix.TCSETS, &mode); err != nil {
		return fmt.Errorf("setting the terminal: %w", err)
	}
	return nil
}

// restore gives the terminal back as it was.
func (k *keyboard) restore() error {
	if err := unix.IoctlSetTermios(int(k.f.Fd()), unix.TCSETS, k.old); err != nil {
		return fmt.Errorf("restoring the terminal: %w", err)
	}
	return nil
}

// pollMillis is how long a key is waited for before looking whether to stop.
const pollMillis = 50

// read sends keys until ctx is done. It never takes a key after that, so that
// a sub-shell gets all of them.
func (k *keyboard) read(ctx context.Context, keys chan<- rune) error {
	fd := int(k.f.Fd())
	buf := make([]byte, 16)
	for ctx.Err() == nil {
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(ready, pollMillis)
		if err == unix.EINTR || (err == nil && n == 0) {
			continue
		}
		if err != nil {
			return fmt.Errorf("waiting for a key: %w", err)
		}
		if n, err = unix.Read(fd, buf); err != nil || n == 0 {
			return fmt.Errorf("the terminal is gone: %w", os.ErrClosed)
		}
		key, _ := utf8.DecodeRune(buf[:n])
		if buf[0] == 0x1b && n > 1 {
			continue // an arrow or function key
		}
		select {
		case keys <- korean(key):
		case <-ctx.Done():
		}
	}
	return nil
}

// korean maps the keys of the Korean two-set layout to the letters on them,
// since whoever reads Korean may have the keyboard in Korean.
func korean(key rune) rune {
	if r, ok := map[rune]rune{'ㅗ': 'h', 'ㄴ': 's', 'ㅜ': 'n', 'ㅂ': 'q', 'ㅅ': 't', 'ㅔ': 'p', 'ㅠ': 'b'}[key]; ok {
		return r
	}
	if key >= 'A' && key <= 'Z' {
		return key + 'a' - 'A'
	}
	return key
}
