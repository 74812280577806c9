package report

import (
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// removed stands where something was.
const removed = "[removed]"

// rule is one form in which a secret may be in a text.
type rule struct {
	what string
	form *regexp.Regexp
	// put is what is put in its place, in Regexp.Expand's form.
	put string
	// sign is in every text that has the form; empty where there is no such.
	sign string
}

const (
	keySign = "PRIVATE KEY"
	// keyLine is how a line of a key ends, one that was known and taken out, too.
	keyLine = `(?:[A-Za-z0-9+/=]{16,}|\[removed\])`
	// secretName are words of which one is in the name of what is secret.
	secretName = `(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|client-key-data|credential)`
)

// rules are tried in this order. They rather take too much: what they take by mistake is
// missing from a report, what they leave is known to others.
var rules = []rule{
	{"private key", regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----.*?-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----`), removed, keySign},
	// Cut off by the end of the text, or by its beginning; a journal has something
	// before each line of it.
	{"private key", regexp.MustCompile(`(?m)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----[^\n]*(?:\n[^\n]*` + keyLine + `[ \t\r]*$)*`), removed, keySign},
	{"private key", regexp.MustCompile(`(?:[^\n]*` + keyLine + `[ \t\r]*\n)*(?:[^\n]*\n)?[^\n]*-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----`), removed, keySign},
	// "-----BEGIN" in base64, as in a kubeconfig and in Secrets.
	{"key or certificate in base64", regexp.MustCompile(`LS0tLS1CRUdJTi[A-Za-z0-9+/=]*(?:\s+[A-Za-z0-9+/]{60,}=*)*(?:\s+[A-Za-z0-9+/]+=+)?`), removed, "LS0tLS1CRUdJTi"},
	{"login of a URL", regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s"'<>]*@`), "${1}" + removed + "@", "://"},
	{"token", regexp.MustCompile(`(?i)\b(bearer|basic|negotiate)(\s+)[A-Za-z0-9._~+/=-]{8,}`), "${1}${2}" + removed, ""},
	{"token", regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){0,2}`), removed, "eyJ"},
	{"token", regexp.MustCompile(`\b[a-z0-9]{6}\.[a-z0-9]{16}\b`), removed, "."},
	{"token", regexp.MustCompile(`\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|sk-[\w-]{20,}|AIza[\w-]{30,}|npm_[A-Za-z0-9]{30,}|hf_[A-Za-z0-9]{20,})`), removed, ""},
	{"hash of a password", regexp.MustCompile(`\$(?:2[aby]|5|6|y|apr1)\$[./A-Za-z0-9$=]{20,}`), removed, "$"},
	{"password", regexp.MustCompile(`(?i)(\blogin\s+\S+\s+password\s+)\S+`), "${1}" + removed, ""},
	{"password", regexp.MustCompile(`("auth"\s*:\s*")[^"]+`), "${1}" + removed, `"auth"`},
	{"password", regexp.MustCompile(`(?i)(\s--?[a-z0-9-]*(?:password|passphrase|token|secret)[a-z0-9-]*\s+)[^\s-]\S*`), "${1}" + removed, "-"},
	{"password", regexp.MustCompile(`(?i)(` + secretName + `[a-z0-9_.-]*\\?["']?\s*[:=]\s*)(?:\\"[^"\\]*\\"|"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;}&"']+)`), "${1}" + removed, ""},
}

// Scrubber takes out of texts what nobody else may know, and names that nobody else
// needs.
type Scrubber struct {
	mu      sync.Mutex
	secrets []string
	names   map[string]string
	count   map[string]int
}

// NewScrubber knows who the caller is, and their proxies' passwords.
func NewScrubber(getenv func(string) string) *Scrubber {
	s := &Scrubber{names: map[string]string{}, count: map[string]int{}}
	if host, err := os.Hostname(); err == nil {
		s.rename(host, "HOST")
		short, _, _ := strings.Cut(host, ".")
		s.rename(short, "HOST")
	}
	who := []string{getenv("SUDO_USER"), getenv("USER"), getenv("LOGNAME")}
	if u, err := user.Current(); err == nil {
		who = append(who, u.Username)
	}
	homes := []string{getenv("HOME")}
	for _, w := range who {
		s.rename(w, "USER")
		if u, err := user.Lookup(w); err == nil {
			homes = append(homes, u.HomeDir)
		}
	}
	for _, h := range homes {
		if h = filepath.Clean(h); len(h) > 1 && filepath.IsAbs(h) {
			s.names[h] = "~"
		}
	}
	return s
}

// common are names of users and hosts that say nothing of a person, but are words of
// what a report is about.
var common = []string{"root", "localhost", "debian", "ubuntu", "fedora", "vagrant", "noriter", "nori", "control", "user", "admin", "linux"}

// rename has a name replaced. Those that are too short are parts of too much else.
func (s *Scrubber) rename(name, put string) {
	if len(name) >= 3 && !slices.Contains(common, strings.ToLower(name)) {
		s.names[name] = put
	}
}

// Keep leaves names as they are: a host may be called as a machine is.
func (s *Scrubber) Keep(names ...string) {
	for _, n := range names {
		delete(s.names, n)
	}
}

// shortest is how long a known secret must be: a shorter one is a part of too much else.
const shortest = 6

// Secrets has these very texts taken out, wherever they are.
func (s *Scrubber) Secrets(texts ...string) {
	for _, t := range texts {
		if t = strings.TrimSpace(t); len(t) >= shortest && !slices.Contains(s.secrets, t) {
			s.secrets = append(s.secrets, t)
		}
	}
	// A long one first: a short one may be a part of it.
	slices.SortFunc(s.secrets, func(a, b string) int { return len(b) - len(a) })
}

// Clean gives the text without all that.
func (s *Scrubber) Clean(text string) string {
	for _, secret := range s.secrets {
		if n := strings.Count(text, secret); n > 0 {
			s.add("secret of the testbed", n)
			text = strings.ReplaceAll(text, secret, removed)
		}
	}
	for _, r := range rules {
		if !strings.Contains(text, r.sign) {
			continue
		}
		if n := len(r.form.FindAllStringIndex(text, -1)); n > 0 {
			s.add(r.what, n)
			text = r.form.ReplaceAllString(text, r.put)
		}
	}
	// A longer name first: a home folder has a user's name in it.
	names := slices.SortedFunc(maps.Keys(s.names), func(a, b string) int { return len(b) - len(a) })
	for _, n := range names {
		text = replaceWord(text, n, s.names[n])
	}
	return text
}

// replaceWord replaces a name where it is a word, or a path where it is one's beginning.
func replaceWord(text, name, put string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, name)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if wordEnds(b.String()) && wordBegins(after) {
			b.WriteString(put)
		} else {
			b.WriteString(name)
		}
		text = after
	}
}

func letter(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func wordEnds(before string) bool  { return before == "" || !letter(before[len(before)-1]) }
func wordBegins(after string) bool { return after == "" || !letter(after[0]) }

func (s *Scrubber) add(what string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[what] += n
}

// Removed says how often something was taken out, by what it was.
func (s *Scrubber) Removed() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.count)
}
