package main

import "strings"

// widthOf is how wide a text is at most, in units: reckoned with DejaVu Sans, which is
// wider than the fonts of other systems, so what fits here fits there.
func widthOf(f font, s string) int {
	if f == code {
		return int(float64(len(s)*f.size)*0.602) + 1 // all letters of DejaVu Sans Mono
	}
	sum := 0.0
	for _, r := range s {
		sum += advance(r)
	}
	if f == heading || f == name {
		sum *= 1.1 // bold
	}
	return int(sum*float64(f.size)) + 1
}

// advances are the widths of DejaVu Sans' letters in parts of the font's size, of which
// only the largest of a group counts.
var advances = []struct {
	of    string
	width float64
}{
	{"'ijlIJ ,.", 0.32}, {`/:;\|f-()[]t!`, 0.4}, {`r"*_`, 0.5}, {"sz?c", 0.55}, {"LFkvxyPTYaoe", 0.62},
	{"ESbdghnpqu$0123456789{}KAV", 0.68}, {"BRXZCUHNDG&OQ", 0.79}, {"w#+<=>M", 0.86},
}

func advance(r rune) float64 {
	for _, a := range advances {
		if strings.ContainsRune(a.of, r) {
			return a.width
		}
	}
	return 1
}
