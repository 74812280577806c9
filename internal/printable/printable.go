// Package printable makes text from elsewhere safe to show: texts of labs, logs of pods,
// names of objects, what somebody typed. A terminal obeys some characters instead of
// showing them: escape sequences set its title, fill the clipboard or answer as if one
// had typed, and others turn the order of letters around.
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text gives a text without characters that a terminal or a reader's eye obeys: each is
// written out, as \x1b or \u202e. Line ends and tabs stay.
func Text(s string) string {
	if Safe(s) {
		return s
	}
	return replace(strings.ReplaceAll(s, "\r\n", "\n"), func(r rune) string {
		if r < 0x80 {
			return fmt.Sprintf(`\x%02x`, r)
		}
		return fmt.Sprintf(`\u%04x`, r)
	})
}

// JSON is Text for a text in JSON, whose meaning stays: these characters stand in strings
// only, and there they may be written so.
func JSON(s string) string {
	return replace(s, func(r rune) string {
		if r > 0xffff {
			hi, lo := surrogates(r)
			return fmt.Sprintf(`\u%04x\u%04x`, hi, lo)
		}
		return fmt.Sprintf(`\u%04x`, r)
	})
}

// surrogates are the two halves of UTF-16 for a rune above U+FFFF.
func surrogates(r rune) (hi, lo rune) {
	r -= 0x10000
	return 0xd800 + r>>10, 0xdc00 + r&0x3ff
}

// Safe tells whether Text would leave a text as it is.
func Safe(s string) bool { return At(s) < 0 }

// At is where the first character is that a terminal would obey, or -1.
func At(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
		if obeyed(r) {
			return i
		}
	}
	return -1
}

func replace(s string, written func(rune) string) string {
	var b strings.Builder
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 { // a byte that is no text, which may be a control character of 8 bits
				fmt.Fprintf(&b, `\x%02x`, s[i])
				continue
			}
		}
		if obeyed(r) {
			b.WriteString(written(r))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// turning are the characters that change the order or the place of others: marks of
// direction (UAX #9), ends of lines and paragraphs, annotations, tags.
var turning = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x061c, Hi: 0x061c, Stride: 1}, {Lo: 0x200e, Hi: 0x200f, Stride: 1}, {Lo: 0x2028, Hi: 0x202e, Stride: 1},
		{Lo: 0x2066, Hi: 0x206f, Stride: 1}, {Lo: 0xfff9, Hi: 0xfffb, Stride: 1},
	},
	R32: []unicode.Range32{{Lo: 0xe0000, Hi: 0xe007f, Stride: 1}},
}

func obeyed(r rune) bool {
	return r != '\n' && r != '\t' && unicode.Is(unicode.Cc, r) || unicode.Is(turning, r)
}
