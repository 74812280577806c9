// Package format holds files that outlive a program to the number of their format.
// A newer program reads what an older one wrote. What a newer one wrote is refused in
// one sentence: half understood, it would be written back without the other half.
package format

import (
	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/lang"
)

// NewerError is a file in a format that this program does not know. Whoever gets
// it has changed nothing; the command ends with exit code 2.
type NewerError struct{ err error }

// Error says who wrote the file, and what to do.
func (e *NewerError) Error() string { return e.err.Error() }

// Unwrap gives the text in both languages.
func (e *NewerError) Unwrap() error { return e.err }

// Check refuses a number above the one that this program knows. what names the file
// for people, by is the version of nori that wrote it, if that is known.
func Check(what lang.Text, got, known int, by string) error {
	if got <= known {
		return nil
	}
	writer := lang.Text{EN: "a newer nori", KO: "더 새로운 nori"}
	if by != "" {
		writer = lang.Textf("nori %s", "nori %s", by)
	}
	return &NewerError{lang.Errorf(
		"%s was written by %s in format %d, and this nori (%s) knows formats up to %d: use that nori or a newer one; nothing was changed",
		"%s은(는) %s이(가) 형식 %d(으)로 썼는데 이 nori(%s)는 형식 %d까지만 압니다. 그 nori나 더 새로운 것을 쓰세요. 바꾼 것은 없습니다",
		what, writer, got, build.Version(), known)}
}
