package picture

import (
	"fmt"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// request draws the way of a request: from the browser over an Ingress and a
// node port to the Service, and on to the pods that are ready.
func (s *Scene) request() []string {
	var out []string
	for _, ing := range s.Ingresses {
		if s.drawn(ing) {
			out = append(out, s.ingress(ing)...)
		}
	}
	shown := 0
	for _, svc := range s.Services {
		if s.Name != "" && name(svc) != s.Name {
			continue
		}
		if shown++; shown > 3 { // three ways are as much as one can follow
			continue
		}
		if len(out) > 0 {
			out = append(out, "")
		}
		out = append(out, s.service(svc)...)
	}
	if shown > 3 {
		out = append(out, lang.T(fmt.Sprintf("... and %d more services", shown-3), fmt.Sprintf("... 그 밖에 서비스 %d개", shown-3)))
	}
	if shown == 0 {
		what := lang.T("no Service", "서비스가 없음")
		if s.Name != "" {
			what = lang.T("no Service "+s.Name, "서비스 "+s.Name+" 없음")
		}
		out = append(out, what, "  ?", "  v")
		out = append(out, podLines(s.meant())...)
	}
	return out
}

// meant are the pods that a Service that isn't there would have: those with its
// name as their label app, if there are any.
func (s *Scene) meant() []object {
	var out []object
	for _, p := range s.Pods {
		if labels(p, "metadata", "labels")["app"] == s.Name {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return s.Pods
	}
	return out
}

// drawn says whether an Ingress is in the picture.
func (s *Scene) drawn(ing object) bool {
	if s.Host != "" {
		return slices.ContainsFunc(list(ing, "spec", "rules"), func(rule object) bool { return text(rule, "host") == s.Host })
	}
	return s.Name == "" || leadsTo(ing, s.Name)
}

// leadsTo says whether some requests to an Ingress end at a Service.
func leadsTo(ing object, service string) bool {
	if text(ing, "spec", "defaultBackend", "service", "name") == service {
		return true
	}
	for _, rule := range list(ing, "spec", "rules") {
		for _, p := range list(rule, "http", "paths") {
			if text(p, "backend", "service", "name") == service {
				return true
			}
		}
	}
	return false
}

// ingress draws the rules of one Ingress.
func (s *Scene) ingress(ing object) []string {
	entry := "-"
	for _, a := range list(ing, "status", "loadBalancer", "ingress") {
		entry = text(a, "ip") + text(a, "hostname")
		break
	}
	out := []string{lang.T("browser", "브라우저"), "  |  http://" + entry + "/", "  v", lang.T("Ingress ", "인그레스 ") + name(ing)}
	for _, rule := range list(ing, "spec", "rules") {
		host := text(rule, "host")
		if s.Host != "" && host != s.Host {
			continue
		}
		if host == "" {
			host = "*"
		}
		for _, p := range list(rule, "http", "paths") {
			out = append(out, "  "+fit(host+text(p, "path"), 34)+" -> "+backend(p["backend"]))
		}
	}
	if b, ok := get(ing, "spec", "defaultBackend").(object); ok {
		out = append(out, "  "+fit(lang.T("everything else", "그 밖의 모든 것"), 34)+" -> "+backend(b))
	}
	return out
}

// backend is a Service and its port, as SERVICE:PORT.
func backend(b any) string {
	o, _ := b.(object)
	port := text(o, "service", "port", "name")
	if n := number(o, "service", "port", "number"); n > 0 {
		port = fmt.Sprint(n)
	}
	return text(o, "service", "name") + ":" + port
}

// service draws one Service from whoever asks to its endpoints.
func (s *Scene) service(svc object) []string {
	var out []string
	kind := text(svc, "spec", "type")
	ports := list(svc, "spec", "ports")
	for _, p := range ports {
		if n := number(p, "nodePort"); n > 0 {
			if len(out) == 0 {
				out = append(out, lang.T("browser", "브라우저"))
			}
			out = append(out, fmt.Sprintf("  |  http://%s:%d/", s.entry(), n), "  v",
				lang.T(fmt.Sprintf("node port %d, on every node", n), fmt.Sprintf("노드 포트 %d, 모든 노드에서", n)), "  |")
		}
	}
	ip := text(svc, "spec", "clusterIP")
	switch {
	case kind == "ExternalName":
		return []string{lang.T("Service ", "서비스 ") + name(svc) + " -> " + text(svc, "spec", "externalName")}
	case ip == "None":
		ip = lang.T("headless", "헤드리스")
	case len(out) == 0:
		out = append(out, lang.T("inside the cluster", "클러스터 안에서"), "  |")
	}
	var targets []string
	for _, p := range ports {
		targets = append(targets, fmt.Sprintf("port %d -> targetPort %s", number(p, "port"), show(p["targetPort"])))
	}
	out = append(out, fmt.Sprintf("%s %s  %s", lang.T("Service", "서비스"), name(svc), ip))
	for _, t := range targets {
		out = append(out, "  |  "+t)
	}
	out = append(out, "  |  "+lang.T("selector ", "셀렉터 ")+pairs(labels(svc, "spec", "selector")), "  v")
	return append(out, s.endpoints(svc)...)
}

// entry is the address of a node that answers, a worker's if there is one.
func (s *Scene) entry() string {
	out := "NODE"
	for _, n := range s.Nodes {
		_, control := labels(n, "metadata", "labels")["node-role.kubernetes.io/control-plane"]
		if a := address(n); a != "" && ready(n) && (out == "NODE" || !control) {
			out = a
			if !control {
				return out
			}
		}
	}
	return out
}

// endpoints draws the pods behind a Service: those that get requests, and
// those that fit but don't.
func (s *Scene) endpoints(svc object) []string {
	var out []string
	for _, slice := range s.Slices {
		if labels(slice, "metadata", "labels")["kubernetes.io/service-name"] != name(svc) {
			continue
		}
		var ports []string
		for _, p := range list(slice, "ports") {
			ports = append(ports, fmt.Sprint(number(p, "port")))
		}
		for _, e := range list(slice, "endpoints") {
			out = append(out, s.endpoint(e, strings.Join(ports, ",")))
		}
	}
	if len(out) > 0 {
		return some(out)
	}
	selector := labels(svc, "spec", "selector")
	if len(selector) == 0 {
		return []string{"[x] " + lang.T("it looks for no pods: no endpoints", "파드를 찾지 않음: 엔드포인트 없음")}
	}
	for _, p := range s.Pods {
		if fits(labels(p, "metadata", "labels"), selector) {
			out = append(out, "[ ] "+fit(name(p), 22)+" "+status(p))
		}
	}
	if len(out) > 0 {
		return some(out)
	}
	return []string{"[x] " + lang.T("no pod has these labels: no endpoints", "이 레이블이 있는 파드가 없음: 엔드포인트 없음")}
}

// endpoint is one address behind a Service.
func (s *Scene) endpoint(e object, ports string) string {
	mark := "[v]"
	if get(e, "conditions", "ready") == false {
		mark = "[ ]"
	}
	address := ""
	if a, ok := e["addresses"].([]any); ok && len(a) > 0 {
		address, _ = a[0].(string)
	}
	who := text(e, "targetRef", "name")
	line := mark + " " + fit(who, 22) + " " + fit(text(e, "nodeName"), 8) + " " + address + ":" + ports
	if mark == "[v]" {
		return line
	}
	for _, p := range s.Pods {
		if name(p) == who {
			return mark + " " + fit(who, 22) + " " + fit(text(e, "nodeName"), 8) + " " + status(p) + lang.T(", not ready", ", 준비 안 됨")
		}
	}
	return line
}

// fits tells whether a Service's selector chooses a pod.
func fits(labels, selector map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

func pairs(m map[string]string) string {
	if len(m) == 0 {
		return lang.T("(none)", "(없음)")
	}
	var out []string
	for _, k := range keys(m) {
		out = append(out, k+"="+m[k])
	}
	return strings.Join(out, ",")
}

// show prints a port that may be a number or a name.
func show(port any) string {
	switch p := port.(type) {
	case int64, float64, string:
		return fmt.Sprint(p)
	}
	return "?"
}

// podLines are pods that no Service is in front of.
func podLines(pods []object) []string {
	var out []string
	for _, p := range pods {
		out = append(out, "[ ] "+fit(name(p), 22)+" "+fit(text(p, "spec", "nodeName"), 8)+" "+text(p, "status", "podIP"))
	}
	if len(out) == 0 {
		return []string{lang.T("(no pods)", "(파드 없음)")}
	}
	return some(out)
}
