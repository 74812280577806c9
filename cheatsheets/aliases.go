package cheatsheets

import (
	"slices"
	"strings"
)

// aliases are what people call a topic that has a page by another name: kubectl's short
// names, one of the many, the kinds that a page is about too, and the names in Korean.
var aliases = []struct {
	topic string
	names []string
}{
	{"pods", []string{"po", "pod", "파드"}},
	{"replicasets", []string{"rs", "replicaset", "레플리카셋"}},
	{"nodeport", []string{"svc", "service", "services", "endpoints", "ep", "서비스", "노드포트"}},
	{"ingress", []string{"ing", "ingresses", "인그레스"}},
	{"daemonsets", []string{"ds", "daemonset", "데몬셋"}},
	{"imagepullbackoff", []string{"errimagepull", "image", "images", "registry", "이미지", "레지스트리"}},
	{"kubectl", []string{"k", "kubeconfig"}},
	{"differences", []string{"difference", "diff", "차이"}},
}

// Topic is the topic that a word means: an alias of one, or the word itself.
func Topic(word string) string {
	lower := strings.ToLower(word)
	for _, a := range aliases {
		if slices.Contains(a.names, lower) {
			return a.topic
		}
	}
	return lower
}
