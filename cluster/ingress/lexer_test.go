package ingress

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// directive is one of nginx.conf, with those inside it.
type directive struct {
	words  []string
	inside []directive
}

// lex reads nginx.conf as nginx's ngx_conf_read_token does. It is a second
// opinion on what was written, which is why it shares nothing with the writer.
func lex(text string) ([]directive, error) {
	l := &lexer{text: text}
	list, err := l.directives(0)
	if err == nil && l.at < len(l.text) {
		err = fmt.Errorf("unexpected %q", l.text[l.at:])
	}
	return list, err
}

type lexer struct {
	text string
	at   int
}

func (l *lexer) directives(depth int) ([]directive, error) {
	var list []directive
	var words []string
	for l.at < len(l.text) {
		switch c := l.text[l.at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			l.at++
		case c == '#':
			for l.at < len(l.text) && l.text[l.at] != '\n' {
				l.at++
			}
		case c == ';':
			l.at++
			if len(words) == 0 {
				return nil, fmt.Errorf("a directive without words")
			}
			list, words = append(list, directive{words: words}), nil
		case c == '{':
			l.at++
			inside, err := l.directives(depth + 1)
			if err != nil {
				return nil, err
			}
			list, words = append(list, directive{words, inside}), nil
		case c == '}':
			if depth == 0 || len(words) > 0 {
				return nil, fmt.Errorf("unexpected }")
			}
			l.at++
			return list, nil
		case c == '"' || c == '\'':
			w, err := l.quoted(c)
			if err != nil {
				return nil, err
			}
			words = append(words, w)
		default:
			words = append(words, l.bare())
		}
	}
	if depth > 0 || len(words) > 0 {
		return nil, fmt.Errorf("the file ends too early")
	}
	return list, nil
}

func (l *lexer) quoted(quote byte) (string, error) {
	var b strings.Builder
	for l.at++; l.at < len(l.text); l.at++ {
		c := l.text[l.at]
		if c == quote {
			l.at++
			if l.at < len(l.text) && !strings.ContainsRune(" \t\r\n;{)", rune(l.text[l.at])) {
				return "", fmt.Errorf("no space after a quoted word")
			}
			return b.String(), nil
		}
		if c == '\\' && l.at+1 < len(l.text) {
			next := l.text[l.at+1]
			if r, special := map[byte]byte{'"': '"', '\'': '\'', '\\': '\\', 't': '\t', 'r': '\r', 'n': '\n'}[next]; special {
				b.WriteByte(r)
				l.at++
				continue
			}
		}
		b.WriteByte(c)
	}
	return "", fmt.Errorf("a quoted word does not end")
}

func (l *lexer) bare() string {
	begin := l.at
	for l.at < len(l.text) && !strings.ContainsRune(" \t\r\n;{", rune(l.text[l.at])) {
		l.at++
	}
	return l.text[begin:l.at]
}

// count tells how often each directive's name occurs, and gathers locations.
func count(list []directive, names map[string]int, locations *[][]string) {
	for _, d := range list {
		names[d.words[0]]++
		if d.words[0] == "location" {
			*locations = append(*locations, d.words[1:])
		}
		count(d.inside, names, locations)
	}
}

// FuzzNothingGetsOut builds a world of hostile strings. Whatever is accepted must
// come out as one word of one directive, in a file of just the shape that a
// harmless Ingress would have.
func FuzzNothingGetsOut(f *testing.F) {
	f.Add("shop.test", "/", "shop", "http", "/$1", "1m", "HTTP", "X-Try")
	f.Add("a.test; }", "/a\"; evil on; #", "s; }", "p{", "/x; evil", "1m; evil on", "HTTPS\n", "X; }")
	f.Add("*.a.test", "/a\\", "shop", "80", "/\\\"", "8k", "h2", "a b")
	f.Add("a.test", "/\n}", "shop", "http", "$evil", "1m\n", "", "")
	f.Add("a.test", "/${evil}'", "shop", "http", "/$1$2", "1g", "HTTP", "x")
	f.Fuzz(func(t *testing.T, host, path, service, port, rewrite, size, protocol, header string) {
		for _, pathType := range []networkingv1.PathType{networkingv1.PathTypePrefix, networkingv1.PathTypeExact, networkingv1.PathTypeImplementationSpecific} {
			ing := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: "default", UID: "x", Annotations: map[string]string{
				prefix + "rewrite-target": rewrite, prefix + "proxy-body-size": size, prefix + "backend-protocol": protocol,
			}}}
			backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Name: port}}}
			ing.Spec.Rules = []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{Path: path, PathType: &pathType, Backend: backend}}}}}}
			other := ing.DeepCopy()
			other.Name, other.UID = "y", "y"
			other.Annotations = map[string]string{prefix + "canary": "true", prefix + "canary-by-header": header, prefix + "canary-by-header-value": size}
			other.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name = service + "2"
			w := withEndpoints(world{Ingresses: []*networkingv1.Ingress{ing, other}}, service, service+"2", port)
			config, _ := build(w)
			text, _ := write(config, defaultSettings())
			checkShape(t, string(text), config)
		}
	})
}

func checkShape(t *testing.T, text string, config nginxConfig) {
	t.Helper()
	list, err := lex(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	names, locations := map[string]int{}, [][]string(nil)
	count(list, names, &locations)
	want := 2 // of the status port
	for _, s := range config.Servers {
		want += len(s.Locations)
		for _, l := range s.Locations {
			found := false
			for _, words := range locations {
				last := words[len(words)-1]
				found = found || last == l.Path || last == "^"+l.Path
			}
			if !found && utf8.ValidString(l.Path) {
				t.Errorf("the path %q did not come out as it is:\n%s", l.Path, text)
			}
		}
	}
	if names["location"] != want || names["server_name"] != len(config.Servers) || names["upstream"] != len(config.Upstreams) {
		t.Errorf("%d locations for %d, %d servers for %d:\n%s", names["location"], want, names["server_name"], len(config.Servers), text)
	}
	if names["proxy_pass"] > want || names["evil"] > 0 {
		t.Errorf("there are directives that were not written:\n%s", text)
	}
}
