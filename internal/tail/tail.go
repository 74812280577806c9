// Package tail reads the end of a file that grows without end: a console, a log.
package tail

import (
	"errors"
	"io"
	"os"
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// Of gives the last bytes of a regular file, at most limit of them, as text: what is
// not UTF-8, as half a character at the beginning is, becomes a question mark.
func Of(path string, limit int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !fi.Mode().IsRegular() {
		return "", lang.Errorf("%s is not a regular file", "%s은(는) 일반 파일이 아닙니다", path)
	}
	b := make([]byte, min(fi.Size(), limit))
	n, err := f.ReadAt(b, fi.Size()-int64(len(b)))
	if err != nil && !errors.Is(err, io.EOF) { // it may have become shorter meanwhile
		return "", err
	}
	return strings.ToValidUTF8(string(b[:n]), "?"), nil
}
