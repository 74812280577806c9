package ingress

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// settings are what of nginx.conf does not come from Ingress objects.
type settings struct {
	// HTTPPort and HTTPSPort are where it listens.
	HTTPPort, HTTPSPort int
	// StatusPort, on the loopback, answers with the configuration's Sum, so that
	// the controller knows when a reload has taken effect.
	StatusPort int
	// Dir holds certificates, under ssl/, and the pid file.
	Dir string
	// Workers is how many processes serve.
	Workers int
	// User is whom they run as; empty leaves that to nginx.
	User string
	// AccessLog, ErrorLog and MimeTypes are files.
	AccessLog, ErrorLog, MimeTypes string
}

// defaultSettings are those inside the controller's image. The ports and the folder
// are ingress-nginx's.
func defaultSettings() settings {
	return settings{
		HTTPPort: 80, HTTPSPort: 443, StatusPort: 10246, Dir: "/etc/ingress-controller", Workers: 2, User: "nginx",
		AccessLog: "/dev/stdout", ErrorLog: "/dev/stderr", MimeTypes: "/etc/nginx/mime.types",
	}
}

// ownCertificate is the file of the controller's own certificate.
const ownCertificate = "default-fake-certificate.pem"

// certificatePath is where a certificate's file lies.
func (s settings) certificatePath(name string) string { return s.Dir + "/ssl/" + name }

// write writes nginx.conf. Equal configurations give equal bytes. The sum, which
// the status port answers with, is that of the text.
func write(c nginxConfig, s settings) (text []byte, sum string) {
	const mark = "@sum@" // the text holds its own sum
	w := &writer{settings: s, upstreams: map[string]bool{}}
	for _, u := range c.Upstreams {
		w.upstreams[u.Name] = true
	}
	w.file(c, mark)
	hash := sha256.Sum256(w.out.Bytes())
	sum = hex.EncodeToString(hash[:8])
	return bytes.Replace(w.out.Bytes(), []byte(mark), []byte(sum), 1), sum
}

// writer writes directives one a line. Nothing gets into the file but through
// its methods, which quote every word that needs it: there is no way for a
// word to end a directive or to begin another.
type writer struct {
	out       bytes.Buffer
	depth     int
	settings  settings
	upstreams map[string]bool
}

// plain words mean to nginx what they say. Everything else is quoted.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@=*+~$,%()-]+$`)

// word is s as one word of nginx.conf.
func word(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// words writes the words of a directive, without its end.
func (w *writer) words(words []string) {
	w.out.WriteString(strings.Repeat("    ", w.depth))
	for i, s := range words {
		if i > 0 {
			w.out.WriteByte(' ')
		}
		w.out.WriteString(word(s))
	}
}

// line is a directive.
func (w *writer) line(words ...string) {
	w.words(words)
	w.out.WriteString(";\n")
}

// block is a directive with others inside.
func (w *writer) block(words []string, inside func()) {
	w.words(words)
	w.out.WriteString(" {\n")
	w.depth++
	inside()
	w.depth--
	w.out.WriteString(strings.Repeat("    ", w.depth) + "}\n")
}

// note is a comment, cut at whatever could end it.
func (w *writer) note(text string) {
	if text == "" {
		return
	}
	w.out.WriteString(strings.Repeat("    ", w.depth) + "# " + printable(text) + "\n")
}

func (w *writer) gap() { w.out.WriteByte('\n') }

// words are the words of a directive that has others inside.
func words(s ...string) []string { return s }
