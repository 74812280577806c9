package lang

import (
	"fmt"
	"time"
)

// Text is a text in both languages.
type Text struct{ EN, KO string }

// String is the text in the current language.
func (t Text) String() string { return t.In(Current()) }

// In is the text in one of the languages.
func (t Text) In(language string) string {
	if language == Korean {
		return t.KO
	}
	return t.EN
}

// T picks the text of the current language.
func T(en, ko string) string { return Text{en, ko}.String() }

// Textf formats both languages with the same arguments, as fmt.Sprintf does. An
// argument that is a Text or a time.Duration is put in in the language of the sentence,
// and Korean particles fit the words that they follow.
func Textf(en, ko string, args ...any) Text {
	return Text{fmt.Sprintf(en, in(English, args)...), Particles(fmt.Sprintf(ko, in(Korean, args)...))}
}

// in replaces the Texts and durations among arguments by what they say in a language.
func in(language string, args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch v := a.(type) {
		case Text:
			a = v.In(language)
		case time.Duration:
			if language == Korean {
				a = koreanDuration(v)
			}
		}
		out[i] = a
	}
	return out
}
