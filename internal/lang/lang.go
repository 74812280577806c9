// Package lang holds the texts that people read in the two languages of Noriter,
// and chooses between them. There is one way for all areas: a Text where both are
// kept, T where one is wanted at once, Errorf for errors.
//
// It is a leaf. The language is one for the whole process (see Set), so neither
// steps nor errors carry it with them.
package lang

import (
	"os"
	"strings"
	"sync/atomic"
)

// The languages.
const (
	English = "en"
	Korean  = "ko"
)

var current atomic.Value // string

// Set chooses the language; anything but "ko" is English.
func Set(l string) {
	if l != Korean {
		l = English
	}
	current.Store(l)
}

// Current is the language chosen by Set, or else the environment's.
func Current() string {
	if l, ok := current.Load().(string); ok {
		return l
	}
	return FromEnvironment(os.Getenv)
}

// FromEnvironment reads LC_ALL, LC_MESSAGES and LANG, in POSIX's order.
func FromEnvironment(getenv func(string) string) string {
	for _, v := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if s := getenv(v); s != "" {
			if s == "ko" || strings.HasPrefix(s, "ko_") || strings.HasPrefix(s, "ko.") {
				return Korean
			}
			return English
		}
	}
	return English
}
