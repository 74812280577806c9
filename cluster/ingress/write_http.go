package ingress

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// logFormat is ingress-nginx's. Tools that read its access log can read this one.
const logFormat = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" ` +
	`$request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] ` +
	`$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id`

// file is the whole file. mark stands where the text names its own sum.
func (w *writer) file(c nginxConfig, mark string) {
	s := w.settings
	w.note("Written by " + eventSource + ". Edit Ingress objects, not this file.")
	if s.User != "" {
		w.line("user", s.User)
	}
	w.line("worker_processes", strconv.Itoa(s.Workers))
	// After a reload old workers end their connections in that time (ingress-nginx's
	// default). WebSockets would keep them for ever.
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

// http is what all hosts have in common, and then all that is declared before servers.
func (w *writer) http(c nginxConfig, mark string) {
	w.line("include", w.settings.MimeTypes)
	w.line("default_type", "text/html")
	w.line("log_format", "upstreaminfo", logFormat)
	w.line("access_log", w.settings.AccessLog, "upstreaminfo")
	w.line("server_tokens", "off")
	w.line("keepalive_timeout", "75s")
	// Names of namespaces, Services and hosts may be longer than what nginx expects.
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
	// A request keeps the ID that a proxy before us gave it.
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
func (w *writer) upstream(u upstream) {
	w.block(words("upstream", u.Name), func() {
		w.line("zone", u.Name, "64k")
		for _, e := range u.Endpoints {
			// Whether an endpoint may be used is said by its readiness probe, not by nginx.
			w.line("server", e, "max_fails=0")
		}
		w.line("keepalive", "32")
	})
}

// canary lets the header decide first, then the cookie, then chance.
func (w *writer) canary(k canarySplit) {
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
