package seal

import (
	"fmt"

	"noriter.dev/noriter/internal/lang"
)

// Damage is what is wrong with a file.
type Damage struct {
	Path string
	// What says it, with the path: "root/usr/bin/containerd is empty".
	What lang.Text
	// More is how many files beside it are damaged.
	More int

	cause error
}

// Error is what is wrong, in the language of now.
func (d *Damage) Error() string { return d.Text().String() }

// Unwrap gives what the kernel said, fs.ErrNotExist for one.
func (d *Damage) Unwrap() error { return d.cause }

// Text is what is wrong, with how many files more there are.
func (d *Damage) Text() lang.Text {
	if d.More == 0 {
		return d.What
	}
	return lang.Textf("%s (and %d more)", "%s (그 밖에 %d개)", d.What, d.More)
}

// New is damage that a cache finds by itself; the texts have a %s for the path.
func New(path, en, ko string, cause error) *Damage {
	return &Damage{Path: path, What: lang.Textf(en, ko, path), cause: cause}
}

func (f *File) damaged(what lang.Text) *Damage {
	return &Damage{Path: f.Path, What: lang.Text{EN: fmt.Sprintf(what.EN, f.Path), KO: lang.Particles(fmt.Sprintf(what.KO, f.Path))}}
}

func missing(path string, err error) *Damage {
	return New(path, "%s is missing", "%s이(가) 없습니다", err)
}

func notReadable(path string, err error) *Damage {
	return &Damage{Path: path, What: lang.Textf("%s can't be read: %v", "%s을(를) 읽을 수 없습니다: %v", path, err), cause: err}
}

func unreadable(name string, size int, err error) *Damage {
	if size == 0 {
		return New(name, "%s is empty", "%s이(가) 비어 있습니다", err)
	}
	return New(name, "%s is cut short or garbled", "%s이(가) 잘렸거나 깨졌습니다", err)
}
