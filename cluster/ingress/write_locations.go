package ingress

import (
	"strconv"
	"strings"
)

// location is one path. What it does to a request stands in this order: redirects, then an
// answer of our own where there is nobody to ask, else the upstream.
func (w *writer) location(l location) {
	head := words("location", l.Path)
	switch l.Match {
	case matchExact:
		head = words("location", "=", l.Path)
	case matchRegex:
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

// names are for the access log, whose format has them.
func (w *writer) names(l location) {
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
	w.line("return", "404", "default backend - 404\nno accepted Ingress has a rule for host $host and path $request_uri\n")
}

// proxy sends the request on, with what the program behind it needs to know of the client:
// its address, and the host and scheme that it used.
func (w *writer) proxy(l location) {
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
	w.line("proxy_buffering", "off") // as in ingress-nginx: a stream is passed on as it comes
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
