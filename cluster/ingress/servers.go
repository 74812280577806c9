package ingress

import (
	"regexp"
	"strconv"
	"strings"
)

func (w *writer) server(s Server) {
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
			file = OwnCertificate
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

func (w *writer) location(l Location) {
	head := words("location", l.Path)
	switch l.Match {
	case MatchExact:
		head = words("location", "=", l.Path)
	case MatchRegex:
		head = words("location", "~*", "^"+l.Path)
	}
	w.block(head, func() {
		w.note(l.Ingress)
		w.names(l)
		if l.RedirectHTTPS {
			w.block(words("if", "(", "$scheme", "=", "http", ")"), func() { w.line("return", "308", "https://$host$request_uri") })
		}
		if l.AppRoot != "" && l.AppRoot != "/" {
			w.block(words("if", "(", "$uri", "=", "/", ")"), func() { w.line("return", "302", "$scheme://$http_host"+l.AppRoot) })
		}
		switch {
		case l.Service == "":
			w.notFound()
		case l.Upstream == "" || !w.upstreams[l.Upstream]:
			w.note("the Service has no endpoint that is ready")
			w.line("return", "503")
		default:
			w.proxy(l)
		}
	})
}

// names are for the log.
func (w *writer) names(l Location) {
	upstream, alternative := l.Upstream, ""
	switch {
	case l.Service == "":
		upstream = "upstream-default-backend"
	case upstream == "":
		upstream = strings.ReplaceAll(l.Service, "/", "-")
	}
	if l.Canary != "" {
		alternative = "$" + l.Canary
	}
	w.line("set", "$proxy_upstream_name", upstream)
	w.line("set", "$proxy_alternative_upstream_name", alternative)
}

// notFound says, as plain text that no browser takes for a page, what it
// looked for.
func (w *writer) notFound() {
	w.line("default_type", "text/plain")
	w.line("add_header", "X-Content-Type-Options", "nosniff", "always")
	w.line("return", "404", "default backend - 404\nno Ingress has a rule for host $host and path $request_uri\n")
}

func (w *writer) proxy(l Location) {
	target := l.Upstream
	if l.Canary != "" {
		target = "$" + l.Canary
	}
	if l.Rewrite != "" {
		w.line("rewrite", "(?i)"+l.RewriteFrom, l.Rewrite, "break")
	}
	w.line("client_max_body_size", l.BodySize)
	w.line("proxy_connect_timeout", strconv.Itoa(l.ConnectTimeout)+"s")
	w.line("proxy_send_timeout", strconv.Itoa(l.SendTimeout)+"s")
	w.line("proxy_read_timeout", strconv.Itoa(l.ReadTimeout)+"s")
	w.line("proxy_buffering", "off")
	w.line("proxy_http_version", "1.1")
	w.line("proxy_redirect", "off")
	w.line("proxy_next_upstream", "error", "timeout")
	w.line("proxy_next_upstream_tries", "3")
	for _, header := range [][2]string{
		{"Host", "$http_host"},
		{"Upgrade", "$http_upgrade"},
		{"Connection", "$connection_upgrade"},
		{"X-Request-ID", "$req_id"},
		{"X-Real-IP", "$remote_addr"},
		{"X-Forwarded-For", "$remote_addr"},
		{"X-Forwarded-Host", "$http_host"},
		{"X-Forwarded-Port", "$server_port"},
		{"X-Forwarded-Proto", "$scheme"},
		{"X-Forwarded-Scheme", "$scheme"},
		{"X-Scheme", "$scheme"},
		{"X-Original-Forwarded-For", "$http_x_forwarded_for"},
		// An old weakness of CGI programs, https://httpoxy.org.
		{"Proxy", ""},
	} {
		w.line("proxy_set_header", header[0], header[1])
	}
	scheme := "http://"
	if l.HTTPS {
		scheme = "https://"
		w.line("proxy_ssl_server_name", "on")
		w.line("proxy_ssl_name", "$host")
	}
	w.line("proxy_pass", scheme+target)
}
