package ingress

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Settings are what of nginx.conf does not come from Ingress objects.
type Settings struct {
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

// DefaultSettings are those inside the controller's image.
func DefaultSettings() Settings {
	return Settings{
		HTTPPort: 80, HTTPSPort: 443, StatusPort: 10246, Dir: "/etc/ingress-controller", Workers: 2, User: "nginx",
		AccessLog: "/dev/stdout", ErrorLog: "/dev/stderr", MimeTypes: "/etc/nginx/mime.types",
	}
}

// OwnCertificate is the file of the controller's own certificate.
const OwnCertificate = "default-fake-certificate.pem"

// certificatePath is where a certificate's file lies.
func (s Settings) certificatePath(name string) string { return s.Dir + "/ssl/" + name }

// Write writes nginx.conf. Equal configurations give equal bytes. The sum, which
// the status port answers with, is that of the text.
func Write(c Config, s Settings) (text []byte, sum string) {
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
	settings  Settings
	upstreams map[string]bool
}

// plain words mean to nginx what they say.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@=*+~$,%()-]+$`)

// word is s as one word of nginx.conf.
func word(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

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

func words(s ...string) []string { return s }

// logFormat is ingress-nginx's.
const logFormat = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" ` +
	`$request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] ` +
	`$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id`

func (w *writer) file(c Config, mark string) {
	s := w.settings
	w.note("Written by " + eventSource + ". Edit Ingress objects, not this file.")
	if s.User != "" {
		w.line("user", s.User)
	}
	w.line("worker_processes", strconv.Itoa(s.Workers))
	w.line("worker_shutdown_timeout", "240s")
	w.line("pid", s.Dir+"/nginx.pid")
	w.line("error_log", s.ErrorLog, "notice")
	w.line("daemon", "off")
	w.gap()
	w.block(words("events"), func() {
		w.line("worker_connections", "4096")
		w.line("multi_accept", "on")
	})
	w.gap()
	w.block(words("http"), func() { w.http(c, mark) })
}

func (w *writer) http(c Config, mark string) {
	w.line("include", w.settings.MimeTypes)
	w.line("default_type", "text/html")
	w.line("log_format", "upstreaminfo", logFormat)
	w.line("access_log", w.settings.AccessLog, "upstreaminfo")
	w.line("server_tokens", "off")
	w.line("keepalive_timeout", "75s")
	w.line("server_names_hash_bucket_size", "256")
	w.line("variables_hash_bucket_size", "256")
	w.line("map_hash_bucket_size", "256")
	w.line("ssl_protocols", "TLSv1.2", "TLSv1.3")
	w.line("ssl_session_cache", "shared:SSL:10m")
	w.line("ssl_session_timeout", "10m")
	w.line("proxy_ssl_session_reuse", "on")
	w.gap()
	w.block(words("map", "$http_upgrade", "$connection_upgrade"), func() {
		w.line("default", "upgrade")
		w.line("", "")
	})
	w.block(words("map", "$http_x_request_id", "$req_id"), func() {
		w.line("default", "$http_x_request_id")
		w.line("", "$request_id")
	})
	for _, u := range c.Upstreams {
		w.gap()
		w.upstream(u)
	}
	for _, k := range c.Canaries {
		w.gap()
		w.canary(k)
	}
	for _, server := range c.Servers {
		w.gap()
		w.server(server)
	}
	w.gap()
	w.note("For the controller: which configuration is at work.")
	w.block(words("server"), func() {
		w.line("listen", "127.0.0.1:"+strconv.Itoa(w.settings.StatusPort))
		w.line("access_log", "off")
		w.block(words("location", "=", "/configuration"), func() { w.line("return", "200", mark) })
		w.block(words("location", "=", "/nginx_status"), func() { w.line("stub_status") })
	})
}

// upstream is shared between workers, so that taking turns works across them.
func (w *writer) upstream(u Upstream) {
	w.block(words("upstream", u.Name), func() {
		w.line("zone", u.Name, "64k")
		for _, e := range u.Endpoints {
			w.line("server", e, "max_fails=0")
		}
		w.line("keepalive", "32")
	})
}

// canary asks the header first, then the cookie, then the dice.
func (w *writer) canary(k Canary) {
	next := "$" + k.Variable + "_weight"
	w.block(words("split_clients", "$request_id", next), func() {
		if k.Percent > 0 && k.Percent < 10000 {
			w.line(fmt.Sprintf("%d.%02d%%", k.Percent/100, k.Percent%100), k.Other)
		}
		rest := k.Main
		if k.Percent >= 10000 {
			rest = k.Other
		}
		w.line("*", rest)
	})
	if k.Cookie != "" {
		w.block(words("map", "$cookie_"+k.Cookie, "$"+k.Variable+"_cookie"), func() {
			w.line("always", k.Other)
			w.line("never", k.Main)
			w.line("default", next)
		})
		next = "$" + k.Variable + "_cookie"
	}
	header := "$request_id" // matches nothing below
	if k.Header != "" {
		header = "$http_" + strings.ReplaceAll(strings.ToLower(k.Header), "-", "_")
	}
	w.block(words("map", header, "$"+k.Variable), func() {
		switch {
		case k.Header == "":
		case k.HeaderValue != "":
			w.line("~^"+regexp.QuoteMeta(k.HeaderValue)+"$", k.Other)
		default:
			w.line("always", k.Other)
			w.line("never", k.Main)
		}
		w.line("default", next)
	})
}
