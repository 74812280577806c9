package ingress

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// withEndpoints gives a world two Services with one endpoint each.
func withEndpoints(w world, a, b, port string) world {
	w.Services, w.Slices = map[string]*v1.Service{}, map[string][]*discoveryv1.EndpointSlice{}
	for i, name := range []string{a, b} {
		w.Services["default/"+name] = &v1.Service{Spec: v1.ServiceSpec{Ports: []v1.ServicePort{{Name: port, Port: 80, TargetPort: intstr.FromInt32(8080)}}}}
		w.Slices["default/"+name] = []*discoveryv1.EndpointSlice{{AddressType: discoveryv1.AddressTypeIPv4,
			Ports:     []discoveryv1.EndpointPort{{Name: ptr.To(port), Port: ptr.To[int32](8080)}},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{fmt.Sprintf("10.244.1.%d", i+2)}}}}}
	}
	return w
}

func ingressFor(name, host, path string) *networkingv1.Ingress {
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name), CreationTimestamp: metav1.NewTime(time.Unix(int64(len(name)), 0))},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
			Paths: []networkingv1.HTTPIngressPath{{Path: path, PathType: ptr.To(networkingv1.PathTypePrefix),
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "shop", Port: networkingv1.ServiceBackendPort{Number: 80}}}}}}}}}},
	}
}

// refuse is a tester that takes no configuration with a host that begins with bad.
func refuse(tests *int) tester {
	return func(_ context.Context, c nginxConfig) error {
		*tests++
		for _, s := range c.Servers {
			if strings.HasPrefix(s.Host, "bad") {
				return &refusedError{Err: errors.New("refused for " + s.Host)}
			}
		}
		return nil
	}
}

func TestBisectLeavesOutOnlyTheBadOnes(t *testing.T) {
	var all []*networkingv1.Ingress
	for i := range 64 {
		host := fmt.Sprintf("good-%d.test", i)
		if i == 5 || i == 40 {
			host = fmt.Sprintf("bad-%d.test", i)
		}
		ing := ingressFor(fmt.Sprintf("i%02d", i), host, "/")
		all = append(all, ing)
	}
	tests := 0
	config, _, bad, err := bisect(t.Context(), withEndpoints(world{Ingresses: all}, "shop", "b", ""), refuse(&tests))
	if err != nil {
		t.Fatal(err)
	}
	if len(bad) != 2 || bad[0].ingress.Name != "i05" || bad[1].ingress.Name != "i40" || !strings.Contains(bad[0].err.Error(), "bad-5.test") {
		t.Errorf("refused: %v", bad)
	}
	if len(config.Servers) != 63 {
		t.Errorf("%d servers, want the 62 good ones and the default", len(config.Servers))
	}
	if tests > 30 {
		t.Errorf("%d tests to find 2 of 64", tests)
	}
}

func TestBisectWithNothingWrongTestsOnce(t *testing.T) {
	tests := 0
	w := world{Ingresses: []*networkingv1.Ingress{ingressFor("a", "a.test", "/"), ingressFor("bb", "b.test", "/")}}
	if _, _, _, err := bisect(t.Context(), w, refuse(&tests)); err != nil || tests != 1 {
		t.Errorf("%d tests, error %v", tests, err)
	}
}

func TestBisectGivesUpWhereNoIngressIsToBlame(t *testing.T) {
	broken := errors.New("no disk")
	_, _, _, err := bisect(t.Context(), world{Ingresses: []*networkingv1.Ingress{ingressFor("a", "a.test", "/")}},
		func(context.Context, nginxConfig) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	_, _, _, err = bisect(t.Context(), world{}, func(context.Context, nginxConfig) error { return &refusedError{Err: broken} })
	if err == nil {
		t.Error("a configuration without any Ingress was refused, and nobody said so")
	}
}

func TestPathsThatTheirTypeForbids(t *testing.T) {
	for _, c := range []struct {
		pathType networkingv1.PathType
		path     string
		ok       bool
	}{
		{networkingv1.PathTypePrefix, "/a", true},
		{networkingv1.PathTypePrefix, "/a.html~-_:@!&',;=%20", true},
		{networkingv1.PathTypePrefix, "/a(/|$)(.*)", false},
		{networkingv1.PathTypeExact, "/a[0-9]", false},
		{networkingv1.PathTypeImplementationSpecific, "/a(/|$)(.*)", true},
		{networkingv1.PathTypeImplementationSpecific, "/a\n", false},
		{networkingv1.PathTypeImplementationSpecific, "a", false},
	} {
		err := checkPath(networkingv1.HTTPIngressPath{Path: c.path, PathType: &c.pathType})
		if (err == nil) != c.ok {
			t.Errorf("%s %q: %v", c.pathType, c.path, err)
		}
		if err != nil && err.Error() != fmt.Sprintf("path %s cannot be used with pathType %s", printable(c.path), c.pathType) {
			t.Errorf("the message is %q", err)
		}
	}
}

func TestAnnotationsThatAreNotValid(t *testing.T) {
	for name, value := range map[string]string{
		"rewrite-target": "/; return 200", "use-regex": "maybe", "proxy-body-size": "8 m", "backend-protocol": "FCGI",
		"proxy-read-timeout": "5s", "canary-weight": "-1", "canary-by-header": "X Y", "canary-by-cookie": "a-b", "app-root": "app",
		"canary-by-header-value": "a\"b",
	} {
		ing := ingressFor("a", "a.test", "/")
		ing.Annotations = map[string]string{prefix + name: value}
		_, problems := build(world{Ingresses: []*networkingv1.Ingress{ing}})
		want := fmt.Sprintf("annotation %s%s contains invalid value %q", prefix, name, value)
		if len(problems) != 1 || problems[0].Message != want || problems[0].Reason != reasonRejected {
			t.Errorf("%s=%q: %v", name, value, problems)
		}
	}
}

func TestStatusAddresses(t *testing.T) {
	pod := func(ip string, ready v1.ConditionStatus) *v1.Pod {
		return &v1.Pod{Status: v1.PodStatus{HostIP: ip, Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: ready}}}}
	}
	going := pod("10.0.0.3", v1.ConditionTrue)
	going.DeletionTimestamp = ptr.To(metav1.Now())
	got := addresses([]*v1.Pod{pod("10.0.0.10", v1.ConditionTrue), pod("10.0.0.9", v1.ConditionTrue),
		pod("10.0.0.9", v1.ConditionTrue), pod("10.0.0.2", v1.ConditionFalse), going, {}})
	if len(got) != 2 || got[0].IP != "10.0.0.9" || got[1].IP != "10.0.0.10" {
		t.Errorf("addresses are %v", got)
	}
}
