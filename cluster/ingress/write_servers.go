package ingress

import (
	"regexp"
	"strconv"
	"strings"
)

// server is one host, on both ports. Every host has a certificate, if only the controller's
// own: a browser then shows a warning, where it would show a broken connection.
func (w *writer) server(s server) {
	w.block(words("server"), func() {
		http, https := strconv.Itoa(w.settings.HTTPPort), strconv.Itoa(w.settings.HTTPSPort)
		if s.Host == "" {
			w.line("listen", http, "default_server", "backlog=4096")
			w.line("listen", https, "default_server", "ssl", "backlog=4096")
		} else {
			w.line("listen", http)
			w.line("listen", https, "ssl")
		}
		w.line("http2", "on")
		w.line("server_name", serverName(s.Host))
		file := s.Certificate
		if file == "" {
			file = ownCertificate
		}
		w.line("ssl_certificate", w.settings.certificatePath(file))
		w.line("ssl_certificate_key", w.settings.certificatePath(file))
		for _, l := range s.Locations {
			w.gap()
			w.location(l)
		}
	})
}

// serverName writes a host. In an Ingress, *.example.com stands for one label,
// which nginx's own wildcards don't.
func serverName(host string) string {
	switch {
	case host == "":
		return "_"
	case strings.HasPrefix(host, "*."):
		return `~^(?<subdomain>[\w-]+)\.` + regexp.QuoteMeta(host[2:]) + "$"
	}
	return host
}
