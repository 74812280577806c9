// Package lang chooses between the two languages of Noriter's texts.
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

// T picks the text of the current language.
func T(en, ko string) string {
	if Current() == Korean {
		return ko
	}
	return en
}
