package remote

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/filesum"
	"noriter.dev/noriter/provision/machine"
)

const (
	partInfix = ".nori-part-"
	// openFlags make no file: makeParts did, closed to others.
	openFlags = os.O_WRONLY
)

// outgoing is one file on its way to a machine.
type outgoing struct {
	path    string
	mode    fs.FileMode
	content []byte
	source  string
	size    int64
	sha     string
	// progress is counted while it is sent.
	progress *progress

	// What compare found on the machine.
	done     bool
	haveMode fs.FileMode
	partSize int64
	oldParts []string // names beside the target
}

func (s *outgoing) partName() string { return "." + path.Base(s.path) + partInfix + s.sha[:16] }
func (s *outgoing) part() string     { return path.Join(path.Dir(s.path), s.partName()) }

// findParts picks this file's parts out of what compare found.
func (s *outgoing) findParts(found map[string]status) {
	stem := path.Join(path.Dir(s.path), "."+path.Base(s.path)+partInfix)
	for name, st := range found {
		switch {
		case name == s.part():
			s.partSize = st.size
		case strings.HasPrefix(name, stem) && !st.dir:
			s.oldParts = append(s.oldParts, path.Base(name))
		}
	}
}

// prepare checks the files and takes their checksums.
func prepare(files []machine.File) ([]*outgoing, error) {
	seen := map[string]bool{}
	sends := make([]*outgoing, 0, len(files))
	for _, f := range files {
		s, err := prepareOne(f)
		if err != nil {
			return nil, err
		}
		if seen[s.path] {
			return nil, lang.Errorf("%s is named twice", "%s이(가) 두 번 나옵니다", s.path)
		}
		seen[s.path] = true
		sends = append(sends, s)
	}
	return sends, nil
}

func prepareOne(f machine.File) (*outgoing, error) {
	// sha256sum(1) writes names with such characters in a form of its own.
	if !path.IsAbs(f.Path) || f.Path == "/" || path.Clean(f.Path) != f.Path || strings.ContainsAny(f.Path, "\n\r\\\x00") {
		return nil, lang.Errorf("%q is no target: a clean absolute path without line breaks and backslashes is needed",
			"%q은(는) 파일을 둘 경로로 쓸 수 없습니다: 줄바꿈과 역슬래시가 없는 정돈된 절대 경로여야 합니다", f.Path)
	}
	if f.Source != "" && f.Content != nil {
		return nil, lang.Errorf("%s has both a content and a source", "%s에 내용과 원본 파일이 모두 주어졌습니다", f.Path)
	}
	s := &outgoing{path: f.Path, mode: f.Mode.Perm(), content: f.Content, source: f.Source}
	if s.mode == 0 {
		s.mode = 0o644
	}
	if f.Source == "" {
		sum := sha256.Sum256(f.Content)
		s.size, s.sha = int64(len(f.Content)), hex.EncodeToString(sum[:])
		return s, nil
	}
	sum, err := filesum.Of(f.Source)
	if err != nil {
		return nil, err
	}
	s.size, s.sha = sum.Size, sum.SHA256
	return s, nil
}

// open gives the content from an offset on.
func (s *outgoing) open(from int64) (io.ReadCloser, error) {
	content, err := s.openPlain(from)
	if err != nil || s.progress == nil {
		return content, err
	}
	s.progress.sent.Add(from)
	return counted{ReadCloser: content, progress: s.progress}, nil
}

func (s *outgoing) openPlain(from int64) (io.ReadCloser, error) {
	if s.source == "" {
		return io.NopCloser(bytes.NewReader(s.content[from:])), nil
	}
	f, err := os.Open(s.source)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
