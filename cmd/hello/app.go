package main

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxDelay bounds /delay, so that a typing error can't hold a connection for a day.
const maxDelay = 5 * time.Minute

// app answers requests and remembers what a probe is to be told.
type app struct {
	config    config
	mux       *http.ServeMux
	started   time.Time
	requests  atomic.Int64
	unhealthy atomic.Bool
	unready   atomic.Bool
	stopping  atomic.Bool
	exit      chan int

	mu  sync.Mutex
	out io.Writer
}

func newApp(c config, out io.Writer) *app {
	a := &app{config: c, mux: http.NewServeMux(), started: time.Now(), exit: make(chan int, 1), out: out}
	a.mux.HandleFunc("/", a.hello)
	a.mux.HandleFunc("/healthz", a.probe(func() string {
		if a.unhealthy.Load() {
			return "told to be unhealthy by /healthz/fail"
		}
		return ""
	}))
	a.mux.HandleFunc("/readyz", a.probe(a.notReady))
	a.mux.HandleFunc("POST /healthz/fail", a.set(&a.unhealthy, true))
	a.mux.HandleFunc("POST /healthz/ok", a.set(&a.unhealthy, false))
	a.mux.HandleFunc("POST /readyz/fail", a.set(&a.unready, true))
	a.mux.HandleFunc("POST /readyz/ok", a.set(&a.unready, false))
	a.mux.HandleFunc("/env", a.environment)
	a.mux.HandleFunc("/delay/{duration}", a.delay)
	a.mux.HandleFunc("/status/{code}", a.status)
	a.mux.HandleFunc("POST /exit/{code}", a.exitWith)
	a.mux.HandleFunc("/metrics", a.metrics)
	return a
}

// ServeHTTP answers and logs one line per request, as an access log does.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	seen := &recorder{ResponseWriter: w, code: http.StatusOK}
	a.requests.Add(1)
	a.mux.ServeHTTP(seen, r)
	a.log("%s %q %d from %s in %s", r.Method, r.URL.RequestURI(), seen.code, r.RemoteAddr, time.Since(begun).Round(time.Microsecond))
}

func (a *app) log(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fmt.Fprintf(a.out, time.Now().UTC().Format("2006-01-02T15:04:05.000Z")+" "+format+"\n", args...)
}

// recorder keeps the status code for the log.
type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

// answer is what / says, in the order in which it says it.
type answer struct {
	Message   string `json:"message"`
	Version   string `json:"version"`
	Pod       string `json:"pod"`
	Namespace string `json:"namespace,omitempty"`
	PodIP     string `json:"podIP,omitempty"`
	Node      string `json:"node,omitempty"`
	Client    string `json:"client"`
	Path      string `json:"path"`
	Host      string `json:"host"`
	Request   int64  `json:"request"`
}

func (a *app) hello(w http.ResponseWriter, r *http.Request) {
	c := a.config
	v := answer{
		Message: c.message, Version: c.version, Pod: c.pod, Namespace: c.namespace, PodIP: c.podIP, Node: c.node,
		Client: r.RemoteAddr, Path: r.URL.Path, Host: r.Host, Request: a.requests.Load(),
	}
	accept := r.Header.Get("Accept")
	switch {
	case r.URL.Query().Get("format") == "json" || strings.Contains(accept, "application/json"):
		w.Header().Set("Content-Type", "application/json")
		// An error here is the client's going away; the access log shows the request.
		_ = json.NewEncoder(w).Encode(v)
	case strings.Contains(accept, "text/html"):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		e := html.EscapeString
		fmt.Fprintf(w, "<!doctype html><title>%s %s</title><body style=\"background:%s;font:2em sans-serif;margin:2em\">"+
			"<h1>%s</h1><p>version <b>%s</b><p>pod <b>%s</b><p>node <b>%s</b><p>request %d\n",
			e(v.Message), e(v.Version), e(c.color), e(v.Message), e(v.Version), e(v.Pod), e(v.Node), v.Request)
	default:
		fmt.Fprintf(w, "%s from %s", v.Message, v.Pod)
		if v.Node != "" {
			fmt.Fprintf(w, " on %s", v.Node)
		}
		fmt.Fprintf(w, " (version %s)\n", v.Version)
	}
}

// probe answers 200 while why says nothing, else 503 with the reason, which
// the event of a failed probe then quotes.
func (a *app) probe(why func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if reason := why(); reason != "" {
			http.Error(w, reason, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}

func (a *app) notReady() string {
	left := a.config.readyDelay - time.Since(a.started)
	switch {
	case a.stopping.Load():
		return "stopping"
	case a.unready.Load():
		return "told to be unready by /readyz/fail"
	case left > 0:
		return fmt.Sprintf("ready in %s", left.Round(time.Millisecond))
	}
	return ""
}

func (a *app) set(flag *atomic.Bool, to bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		flag.Store(to)
		fmt.Fprintln(w, "ok")
	}
}

// environment shows what the process was given; a lab on ConfigMaps looks
// here. Values whose name sounds like a secret are masked.
func (a *app) environment(w http.ResponseWriter, _ *http.Request) {
	env := os.Environ()
	sort.Strings(env)
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		for _, word := range []string{"SECRET", "PASSWORD", "TOKEN", "KEY"} {
			if strings.Contains(strings.ToUpper(name), word) {
				value = fmt.Sprintf("(%d bytes, not shown)", len(value))
				break
			}
		}
		fmt.Fprintf(w, "%s=%s\n", name, value)
	}
}

func (a *app) delay(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.PathValue("duration"))
	if err != nil || d < 0 || d > maxDelay {
		http.Error(w, fmt.Sprintf("want a duration from 0s to %s, such as /delay/2s", maxDelay), http.StatusBadRequest)
		return
	}
	if pause(r.Context(), d) {
		a.hello(w, r)
	}
}

func (a *app) status(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.PathValue("code"))
	if err != nil || code < 200 || code > 599 {
		http.Error(w, "want a status code from 200 to 599, such as /status/404", http.StatusBadRequest)
		return
	}
	w.WriteHeader(code)
}

func (a *app) exitWith(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.PathValue("code"))
	if err != nil || code < 0 || code > 255 {
		http.Error(w, "want an exit code from 0 to 255, such as /exit/1", http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, "ok")
	select {
	case a.exit <- code:
	default: // it is on its way out already
	}
}

func (a *app) metrics(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "# HELP hello_requests_total Requests answered since the start.\n# TYPE hello_requests_total counter\nhello_requests_total{version=%q} %d\n",
		a.config.version, a.requests.Load())
}
