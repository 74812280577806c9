package testbed

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func podOn(node, name string) *v1.Pod {
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: "1", Labels: map[string]string{"app": name}}, Spec: v1.PodSpec{NodeName: node}}
}

func budget(app string, generation, observed int64, desired, expected int32) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "keep-" + app, Generation: generation},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}},
		Status:     policyv1.PodDisruptionBudgetStatus{ObservedGeneration: observed, DesiredHealthy: desired, ExpectedPods: expected, CurrentHealthy: expected},
	}
}

// TestDrain moves pods away, and names the budget that holds one: at once where it never
// lets one go, or when the time is over.
func TestDrain(t *testing.T) {
	for name, c := range map[string]struct {
		budget *policyv1.PodDisruptionBudget
		limit  time.Duration
		want   []string // parts of the error; none is success
	}{
		"nothing holds": {nil, time.Minute, nil},
		"never":         {budget("web", 1, 1, 2, 2), time.Minute, []string{"pod default/web is held by the disruption budget keep-web: 2 of its 2 pods must stay, 2 are healthy", "never lets one go"}},
		"not now":       {budget("web", 1, 1, 1, 2), 50 * time.Millisecond, []string{"gave up waiting for the pods of node1 to leave it after ", "1 of its 2 pods must stay"}},
		"not looked at": {budget("web", 1, 0, 0, 0), 50 * time.Millisecond, []string{"keep-web, which no controller has looked at"}},
		"another's":     {budget("other", 1, 1, 2, 2), 50 * time.Millisecond, []string{"default/web", "too many"}},
	} {
		t.Run(name, func(t *testing.T) {
			objects := []runtime.Object{podOn("node1", "web"), podOn("node1", "api")}
			if c.budget != nil {
				objects = append(objects, c.budget)
			}
			client := fake.NewClientset(objects...)
			client.PrependReactor("create", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
				if a.GetSubresource() != "eviction" {
					return false, nil, nil
				}
				pod := a.(clienttesting.CreateAction).GetObject().(*policyv1.Eviction).Name
				if pod == "web" && c.budget != nil {
					return true, nil, apierrors.NewTooManyRequests("too many", 10)
				}
				return true, nil, client.Tracker().Delete(v1.SchemeGroupVersion.WithResource("pods"), "default", pod)
			})
			err := (&drainer{client: client, node: "node1"}).run(t.Context(), c.limit)
			if (err == nil) != (c.want == nil) {
				t.Fatalf("got %v", err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, which lacks %q", err, part)
				}
			}
			left, listErr := client.CoreV1().Pods("default").List(context.Background(), metav1.ListOptions{})
			if listErr != nil {
				t.Fatal(listErr)
			}
			if want := map[bool]int{true: 0, false: 1}[err == nil]; len(left.Items) != want {
				t.Errorf("%d pods are left, want %d", len(left.Items), want)
			}
		})
	}
}

// A client that tries again by itself would wait without a word.
func TestUnhurried(t *testing.T) {
	for status, want := range map[int]string{http.StatusTooManyRequests: "", http.StatusServiceUnavailable: "10"} {
		rt := unhurried(answering(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"10"}}}, nil
		}))
		res, err := rt.RoundTrip(nil)
		if err != nil || res.Header.Get("Retry-After") != want {
			t.Errorf("%d: %v, %v", status, res.Header, err)
		}
	}
}

type answering func(*http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
