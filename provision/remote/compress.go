package remote

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// compressed gives the content from an offset on through zstd. A whole file
// is compressed once, however many machines get it.
func (s *outgoing) compressed(from int64) (io.ReadCloser, error) {
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

func (c *packCache) get(s *outgoing) ([]byte, error) {
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
