package lang

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// pair is a particle in both of its forms, as texts write it behind a word that
// they don't know: 이(가), (으)로.
var pair = regexp.MustCompile(`은\(는\)|이\(가\)|을\(를\)|과\(와\)|와\(과\)|\(으\)로|\(이\)(라는|라고|나)`)

// Particles puts the form that is read in the place of each pair. Which that is
// depends on whether the word before ends in a consonant. Where a word's spelling
// does not tell, the pair stays.
func Particles(s string) string { return ParticlesAfter("", s) }

// ParticlesAfter is Particles for a text that goes on from another.
func ParticlesAfter(before, s string) string {
	if !strings.Contains(s, "(") {
		return s
	}
	var b strings.Builder
	last := 0
	for _, at := range pair.FindAllStringIndex(s, -1) {
		b.WriteString(s[last:at[0]])
		b.WriteString(particle(s[at[0]:at[1]], ending(before+s[:at[0]])))
		last = at[1]
	}
	return b.String() + s[last:]
}

// sound is how a word ends.
type sound int

const (
	unknown sound = iota
	vowel
	consonant
	rieul // a consonant, but 로 follows it and not 으로
)

func particle(pair string, s sound) string {
	if s == unknown {
		return pair
	}
	closed := s != vowel
	choose := func(afterConsonant, afterVowel string) string {
		if closed {
			return afterConsonant
		}
		return afterVowel
	}
	switch pair {
	case "은(는)":
		return choose("은", "는")
	case "이(가)":
		return choose("이", "가")
	case "을(를)":
		return choose("을", "를")
	case "과(와)", "와(과)":
		return choose("과", "와")
	case "(으)로":
		if s == consonant {
			return "으로"
		}
		return "로"
	}
	rest := strings.TrimPrefix(pair, "(이)")
	return choose("이"+rest, rest)
}

// digits are how the Korean names of the digits end: 영, 일, 이, 삼, 사, 오, 육, 칠,
// 팔, 구.
var digits = [10]sound{consonant, rieul, vowel, consonant, vowel, vowel, consonant, rieul, rieul, vowel}

// closers may stand between a word and its particle.
const closers = "`\"'”’*_)]}"

// ending says how the last word of a text ends.
func ending(s string) sound {
	s = strings.TrimRight(s, closers)
	r, _ := utf8.DecodeLastRuneInString(s)
	switch {
	case r >= '가' && r <= '힣': // 28 syllables share a beginning; the first is open, the ninth ends in ㄹ
		switch (r - '가') % 28 {
		case 0:
			return vowel
		case 8:
			return rieul
		}
		return consonant
	case r >= '0' && r <= '9':
		return digits[r-'0']
	}
	return english(strings.ToLower(s))
}

// english guesses how a word in Latin letters is written in Hangul, where that
// is certain: green ends in ㄴ, nginx in 스. A k may be either (task, 태스크; book, 북).
func english(s string) sound {
	for _, e := range []struct {
		end string
		is  sound
	}{
		{"ng", consonant}, {"le", unknown}, {"me", unknown}, {"ne", unknown}, {"te", unknown}, {"pe", unknown}, {"ke", unknown},
		{"web", consonant}, {"l", rieul}, {"m", consonant}, {"n", consonant},
	} {
		if strings.HasSuffix(s, e.end) {
			return e.is
		}
	}
	if s != "" && strings.ContainsAny(s[len(s)-1:], "adefhijoqrsuvwxyz") {
		return vowel
	}
	return unknown
}
