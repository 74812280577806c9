package image

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// hostSources gives the apt lines for a suite from the mirror that this host
// itself uses, if it is a Debian; otherwise none, and mmdebstrap takes its
// own default. etc is "/etc".
func hostSources(etc, suite string) ([]string, error) {
	release, err := os.ReadFile(filepath.Join(etc, "os-release"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, lang.Errorf("reading the host's release: %w", "호스트의 배포판 정보 읽기: %w", err)
	}
	codename := ""
	debian := false
	for line := range strings.Lines(string(release)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"`)
		debian = debian || key == "ID" && value == "debian"
		if key == "VERSION_CODENAME" {
			codename = value
		}
	}
	if !debian || codename == "" {
		return nil, nil
	}
	var entries []aptEntry
	files := []string{filepath.Join(etc, "apt/sources.list")}
	more, err := filepath.Glob(filepath.Join(etc, "apt/sources.list.d/*"))
	if err != nil {
		return nil, lang.Errorf("listing apt's sources: %w", "apt 소스 나열: %w", err)
	}
	for _, f := range append(files, more...) {
		b, err := os.ReadFile(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, lang.Errorf("reading apt's sources: %w", "apt 소스 읽기: %w", err)
		}
		if strings.HasSuffix(f, ".sources") {
			entries = append(entries, parseDeb822(string(b))...)
		} else if strings.HasSuffix(f, ".list") {
			entries = append(entries, parseList(string(b))...)
		}
	}
	return sourcesFor(entries, codename, suite), nil
}

// aptEntry is one source of packages.
type aptEntry struct {
	uri, suite string
	main       bool
}

// sourcesFor translates the host's Debian mirrors to another suite.
func sourcesFor(entries []aptEntry, codename, suite string) []string {
	var archive, security string
	for _, e := range entries {
		u, err := url.Parse(e.uri)
		if err != nil || !e.main || u.Scheme != "http" && u.Scheme != "https" {
			continue
		}
		last := path.Base(strings.TrimSuffix(u.Path, "/"))
		switch {
		case e.suite == codename && last == "debian" && archive == "":
			archive = e.uri
		case e.suite == codename+"-security" && last == "debian-security" && security == "":
			security = e.uri
		}
	}
	if archive == "" {
		return nil
	}
	lines := []string{
		"deb " + archive + " " + suite + " main",
		"deb " + archive + " " + suite + "-updates main",
	}
	if security != "" {
		lines = append(lines, "deb "+security+" "+suite+"-security main")
	}
	return lines
}

// parseList reads the one-line form: deb [options] URI suite component…
func parseList(s string) []aptEntry {
	var entries []aptEntry
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		rest, ok := strings.CutPrefix(line, "deb ")
		if !ok {
			continue
		}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			_, rest, ok = strings.Cut(rest, "]")
			if !ok {
				continue
			}
		}
		f := strings.Fields(rest)
		if len(f) < 3 {
			continue
		}
		entries = append(entries, aptEntry{uri: f[0], suite: f[1], main: contains(f[2:], "main")})
	}
	return entries
}

// parseDeb822 reads the stanza form of sources.list(5).
func parseDeb822(s string) []aptEntry {
	var entries []aptEntry
	fields := map[string][]string{}
	last := ""
	flush := func() {
		enabled := len(fields["enabled"]) == 0 || fields["enabled"][0] != "no"
		if enabled && contains(fields["types"], "deb") {
			for _, u := range fields["uris"] {
				for _, suite := range fields["suites"] {
					entries = append(entries, aptEntry{uri: u, suite: suite, main: contains(fields["components"], "main")})
				}
			}
		}
		fields, last = map[string][]string{}, ""
	}
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == ' ' || line[0] == '\t':
			if last != "" {
				fields[last] = append(fields[last], strings.Fields(line)...)
			}
		default:
			key, value, ok := strings.Cut(line, ":")
			if !ok {
				continue
			}
			last = strings.ToLower(strings.TrimSpace(key))
			fields[last] = append(fields[last], strings.Fields(value)...)
		}
	}
	flush()
	return entries
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
