package ingress

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

// prefix begins the names of all annotations that we read.
const prefix = "nginx.ingress.kubernetes.io/"

// annotations are an Ingress's, read and checked. What is not set has the default of
// ingress-nginx.
type annotations struct {
	rewriteTarget    string
	useRegex         bool
	sslRedirect      bool
	forceSSLRedirect bool
	appRoot          string
	backendHTTPS     bool
	bodySize         string // as nginx writes sizes
	connectTimeout   int    // seconds
	sendTimeout      int
	readTimeout      int
	canary           canary
}

// canary says which requests go to the other backend.
type canary struct {
	enabled     bool
	weight      int // the part of total that goes to the other backend
	total       int // 100 unless told otherwise
	header      string
	headerValue string
	cookie      string
}

// The forms that values may have. They let nothing through that could end a
// directive of nginx.conf or begin a variable that was not meant.
var (
	rewriteForm = regexp.MustCompile(`^/?[-._~a-zA-Z0-9/:$]*$`)
	sizeForm    = regexp.MustCompile(`(?i)^[0-9]{1,9}[bkmg]?$`)
	pathForm    = regexp.MustCompile(`^/[-._~a-zA-Z0-9/]*$`)
	headerForm  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	cookieForm  = regexp.MustCompile(`^[A-Za-z0-9_]{1,128}$`)
	valueForm   = regexp.MustCompile(`^[-._~a-zA-Z0-9/:, ]{0,256}$`)
)

// annotationReaders are all annotations that are known, each with how its value is taken. A
// reader returns false for a value that is not valid.
var annotationReaders = map[string]func(a *annotations, value string) bool{
	"rewrite-target":         form(rewriteForm, func(a *annotations, v string) { a.rewriteTarget = v }),
	"use-regex":              boolean(func(a *annotations, v bool) { a.useRegex = v }),
	"ssl-redirect":           boolean(func(a *annotations, v bool) { a.sslRedirect = v }),
	"force-ssl-redirect":     boolean(func(a *annotations, v bool) { a.forceSSLRedirect = v }),
	"app-root":               form(pathForm, func(a *annotations, v string) { a.appRoot = v }),
	"backend-protocol":       protocol,
	"proxy-body-size":        form(sizeForm, func(a *annotations, v string) { a.bodySize = v }),
	"proxy-connect-timeout":  number(1, 75, func(a *annotations, v int) { a.connectTimeout = v }),
	"proxy-send-timeout":     number(1, 86400, func(a *annotations, v int) { a.sendTimeout = v }),
	"proxy-read-timeout":     number(1, 86400, func(a *annotations, v int) { a.readTimeout = v }),
	"canary":                 boolean(func(a *annotations, v bool) { a.canary.enabled = v }),
	"canary-weight":          number(0, 1000000, func(a *annotations, v int) { a.canary.weight = v }),
	"canary-weight-total":    number(1, 1000000, func(a *annotations, v int) { a.canary.total = v }),
	"canary-by-header":       form(headerForm, func(a *annotations, v string) { a.canary.header = v }),
	"canary-by-header-value": form(valueForm, func(a *annotations, v string) { a.canary.headerValue = v }),
	"canary-by-cookie":       form(cookieForm, func(a *annotations, v string) { a.canary.cookie = v }),
}

// form takes a text of a certain form.
func form(f *regexp.Regexp, set func(*annotations, string)) func(*annotations, string) bool {
	return func(a *annotations, v string) bool {
		ok := f.MatchString(v)
		if ok {
			set(a, v)
		}
		return ok
	}
}

// boolean takes true and false as Go spells them, as ingress-nginx does.
func boolean(set func(*annotations, bool)) func(*annotations, string) bool {
	return func(a *annotations, v string) bool {
		b, err := strconv.ParseBool(v)
		if err == nil {
			set(a, b)
		}
		return err == nil
	}
}

// number takes a whole number within bounds.
func number(low, high int, set func(*annotations, int)) func(*annotations, string) bool {
	return func(a *annotations, v string) bool {
		n, err := strconv.Atoi(v)
		if err != nil || n < low || n > high {
			return false
		}
		set(a, n)
		return true
	}
}

// protocol takes backend-protocol, of which we speak HTTP and HTTPS.
func protocol(a *annotations, v string) bool {
	switch strings.ToUpper(strings.TrimSpace(v)) {
	case "HTTP", "AUTO_HTTP":
		a.backendHTTPS = false
	case "HTTPS":
		a.backendHTTPS = true
	default:
		return false
	}
	return true
}

// readAnnotations reads an Ingress's. The error names the first value that is
// not valid, in ingress-nginx's words; unsupported are the names, sorted, of
// annotations with its prefix that this controller does nothing about.
func readAnnotations(ing *networkingv1.Ingress) (a annotations, unsupported []string, err error) {
	a = annotations{sslRedirect: true, bodySize: "1m", connectTimeout: 5, sendTimeout: 60, readTimeout: 60}
	a.canary.total = 100
	names := make([]string, 0, len(ing.Annotations))
	for name := range ing.Annotations {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		take, ok := annotationReaders[strings.TrimPrefix(name, prefix)]
		value := ing.Annotations[name]
		switch {
		case !ok:
			unsupported = append(unsupported, name)
		case value == "": // as if it were not there
		case !take(&a, value):
			return a, unsupported, fmt.Errorf("annotation %s contains invalid value %q", name, value)
		}
	}
	return a, unsupported, nil
}
