// Package filesum gives the checksums of large local files. Programs and
// archives are asked for by several steps and for each machine; each is read
// once, as long as it looks unchanged.
package filesum

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
)

// Sum is a file's content, condensed.
type Sum struct {
	// Size is in bytes.
	Size int64
	// SHA256 is in hex.
	SHA256 string
}

// look is what shows that a file was written to or replaced.
type look struct {
	size       int64
	ino        uint64
	mtim, ctim unix.Timespec
}

var (
	mu    sync.Mutex
	known = map[string]struct {
		look
		sum Sum
	}{}
)

// Of gives the checksum of a plain file.
func Of(name string) (Sum, error) {
	mu.Lock() // held while hashing: a second asker waits for the first's answer
	defer mu.Unlock()
	f, err := os.Open(name)
	if err != nil {
		return Sum{}, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Sum{}, lang.Errorf("looking at %s: %w", "%s 확인: %w", name, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return Sum{}, lang.Errorf("%s is not a plain file", "%s은(는) 일반 파일이 아닙니다", name)
	}
	now := look{size: st.Size, ino: st.Ino, mtim: st.Mtim, ctim: st.Ctim}
	k, ok := known[name]
	if ok && k.look == now {
		return k.sum, nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return Sum{}, lang.Errorf("reading %s: %w", "%s 읽기: %w", name, err)
	}
	k.look, k.sum = now, Sum{Size: st.Size, SHA256: hex.EncodeToString(sum.Sum(nil))}
	known[name] = k
	return k.sum, nil
}
