package remote

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
	"noriter.dev/noriter/provision/filesum"
	"noriter.dev/noriter/provision/machine"
)

const (
	partInfix = ".nori-part-"
	openFlags = os.O_WRONLY | os.O_CREATE
)

// send is one file on its way.
type send struct {
	path    string
	mode    fs.FileMode
	content []byte
	source  string
	size    int64
	sha     string

	// What the survey found.
	done     bool
	haveMode fs.FileMode
	partSize int64
	oldParts []string // names beside the target
}

func (s *send) partName() string { return "." + path.Base(s.path) + partInfix + s.sha[:16] }
func (s *send) part() string     { return path.Join(path.Dir(s.path), s.partName()) }

// findParts picks this file's parts out of what the survey found.
func (s *send) findParts(found map[string]status) {
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
func prepare(files []machine.File) ([]*send, error) {
	seen := map[string]bool{}
	sends := make([]*send, 0, len(files))
	for _, f := range files {
		s, err := prepareOne(f)
		if err != nil {
			return nil, err
		}
		if seen[s.path] {
			return nil, fmt.Errorf("%s is named twice", s.path)
		}
		seen[s.path] = true
		sends = append(sends, s)
	}
	return sends, nil
}

func prepareOne(f machine.File) (*send, error) {
	// sha256sum(1) writes names with such characters in a form of its own.
	if !path.IsAbs(f.Path) || f.Path == "/" || path.Clean(f.Path) != f.Path || strings.ContainsAny(f.Path, "\n\r\\\x00") {
		return nil, fmt.Errorf("%q is no target: a clean absolute path without line breaks and backslashes is needed", f.Path)
	}
	if f.Source != "" && f.Content != nil {
		return nil, fmt.Errorf("%s has both a content and a source", f.Path)
	}
	s := &send{path: f.Path, mode: f.Mode.Perm(), content: f.Content, source: f.Source}
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
func (s *send) open(from int64) (io.ReadCloser, error) {
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

// compressed gives the content from an offset on through zstd. A whole file
// is compressed once, however many machines get it.
func (s *send) compressed(from int64) (io.ReadCloser, error) {
	if from == 0 {
		b, err := packs.get(s)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(b)), nil
	}
	src, err := s.open(from)
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		defer src.Close()
		w.CloseWithError(compress(w, src))
	}()
	return r, nil
}

func compress(w io.Writer, r io.Reader) error {
	z, err := zstd.NewWriter(w)
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, r); err != nil {
		return errors.Join(err, z.Close())
	}
	return z.Close()
}

// packs keeps the compressed forms of the last few files by checksum.
var packs packCache

// keepPacks is how many compressed files stay in memory; an upload goes file
// by file, so a few serve all machines.
const keepPacks = 4

type packCache struct {
	mu   sync.Mutex
	list []*pack // the newest last
}

type pack struct {
	sha  string
	once sync.Once
	data []byte
	err  error
}

func (c *packCache) get(s *send) ([]byte, error) {
	c.mu.Lock()
	var p *pack
	for _, have := range c.list {
		if have.sha == s.sha {
			p = have
		}
	}
	if p == nil {
		p = &pack{sha: s.sha}
		c.list = append(c.list, p)
		c.list = c.list[max(0, len(c.list)-keepPacks):]
	}
	c.mu.Unlock()
	p.once.Do(func() {
		src, err := s.open(0)
		if err != nil {
			p.err = err
			return
		}
		defer src.Close()
		var b bytes.Buffer
		p.err = compress(&b, src)
		p.data = b.Bytes()
	})
	return p.data, p.err
}
