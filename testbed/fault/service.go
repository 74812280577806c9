package fault

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

var selectorBroken = &Fault{
	Name: "selector-broken", Level: 1, workload: true,
	What: lang.Text{EN: "a Service's selector matches no pod", KO: "서비스의 셀렉터를 어떤 파드와도 맞지 않게 바꿈"},
	Symptom: lang.Text{
		EN: "connections to the Service are refused at once; it has no endpoints; all pods are well",
		KO: "서비스로 가는 연결이 바로 거부됩니다. 엔드포인트가 없고, 파드는 모두 멀쩡합니다",
	},
	targets: servedServices,
	plan: func(ctx context.Context, w *world, f *testbed.Fault, chance *rand.Rand) error {
		s, err := w.service(ctx, *f)
		if err != nil {
			return err
		}
		key := pick(chance, slices.Sorted(maps.Keys(s.Spec.Selector))...)
		f.Undo = map[string]string{undoWhere: key, undoWas: s.Spec.Selector[key], undoIs: misspell(s.Spec.Selector[key], chance)}
		return nil
	},
	inject: func(ctx context.Context, w *world, f testbed.Fault) error {
		return w.setSelector(ctx, f, f.Undo[undoWas], f.Undo[undoIs])
	},
	recover: func(ctx context.Context, w *world, f testbed.Fault) error {
		return w.setSelector(ctx, f, f.Undo[undoIs], f.Undo[undoWas])
	},
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		if _, err := w.service(ctx, f); err != nil {
			return gone(err)
		}
		ready, err := w.readyEndpoints(ctx, f)
		if err != nil {
			return Sight{}, err
		}
		state := Whole
		if ready == 0 {
			state = Broken
		}
		return Sight{state, lang.Textf("ready endpoints of the Service: %d", "서비스의 준비된 엔드포인트 %d개", ready)}, nil
	},
}

// misspell swaps two neighbouring letters that differ, or else adds one.
func misspell(word string, chance *rand.Rand) string {
	var places []int
	for i := 0; i+1 < len(word); i++ {
		// Both must be letters or digits: a label may not end in anything else.
		if word[i] != word[i+1] && alnum(word[i]) && alnum(word[i+1]) {
			places = append(places, i)
		}
	}
	if len(places) == 0 {
		return word + "s"
	}
	i := places[chance.IntN(len(places))]
	b := []byte(word)
	b[i], b[i+1] = b[i+1], b[i]
	return string(b)
}

func alnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func (w *world) service(ctx context.Context, f testbed.Fault) (*v1.Service, error) {
	c, err := w.client()
	if err != nil {
		return nil, err
	}
	s, err := c.CoreV1().Services(f.Namespace).Get(ctx, f.Object, metav1.GetOptions{})
	if err != nil {
		return nil, lang.Errorf("looking at the Service %s/%s: %w", "서비스 %s/%s 조회: %w", f.Namespace, f.Object, err)
	}
	return s, nil
}

// readyEndpoints counts the pods that a Service sends connections to. While its ports
// change, a pod is in a slice of the old ports and in one of the new: it is one pod still.
func (w *world) readyEndpoints(ctx context.Context, f testbed.Fault) (int, error) {
	c, err := w.client()
	if err != nil {
		return 0, err
	}
	selector := labels.Set{discoveryv1.LabelServiceName: f.Object}.String()
	list, err := c.DiscoveryV1().EndpointSlices(f.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return 0, lang.Errorf("listing the endpoints of %s: %w", "%s의 엔드포인트 목록 조회: %w", TargetOf(f), err)
	}
	ready := map[string]bool{}
	for _, slice := range list.Items {
		for _, e := range slice.Endpoints {
			if len(e.Addresses) > 0 && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				ready[e.Addresses[0]] = true
			}
		}
	}
	return len(ready), nil
}

// servedServices lists the Services of the namespace that have endpoints.
func servedServices(ctx context.Context, w *world) ([]testbed.Fault, error) {
	c, err := w.client()
	if err != nil {
		return nil, err
	}
	list, err := c.CoreV1().Services(w.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, lang.Errorf("listing the Services of %s: %w", "%s의 서비스 목록 조회: %w", w.namespace, err)
	}
	var out []testbed.Fault
	for _, s := range list.Items {
		f := testbed.Fault{Namespace: s.Namespace, Object: s.Name}
		headless := s.Spec.ClusterIP == "" || s.Spec.ClusterIP == v1.ClusterIPNone
		if headless || len(s.Spec.Selector) == 0 || s.Spec.Ports[0].Protocol != v1.ProtocolTCP {
			continue
		}
		ready, err := w.readyEndpoints(ctx, f)
		if err != nil {
			return nil, err
		}
		if ready > 0 {
			out = append(out, f)
		}
	}
	return out, nil
}

// patchService applies a change to a Service if it is still as it is thought to be.
func (w *world) patchService(ctx context.Context, f testbed.Fault, still func(*v1.Service) bool, patch any, kind types.PatchType) error {
	s, err := w.service(ctx, f)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !still(s) {
		return nil
	}
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	c, err := w.client()
	if err != nil {
		return err
	}
	if _, err := c.CoreV1().Services(f.Namespace).Patch(ctx, f.Object, kind, data, metav1.PatchOptions{}); err != nil {
		return lang.Errorf("changing the Service %s: %w", "서비스 %s 변경: %w", TargetOf(f), err)
	}
	return nil
}

func (w *world) setSelector(ctx context.Context, f testbed.Fault, from, to string) error {
	key := f.Undo[undoWhere]
	patch := map[string]any{"spec": map[string]any{"selector": map[string]string{key: to}}}
	return w.patchService(ctx, f, func(s *v1.Service) bool { return s.Spec.Selector[key] == from }, patch, types.MergePatchType)
}

var targetPortBroken = &Fault{
	Name: "targetport-broken", Level: 2, workload: true,
	What: lang.Text{EN: "a Service sends to a port on which nobody listens", KO: "서비스가 아무도 수신하지 않는 포트로 보내게 함"},
	Symptom: lang.Text{
		EN: "connections to the Service are refused though it has endpoints; the pods answer on their own port",
		KO: "엔드포인트가 있는데도 서비스로 가는 연결이 거부됩니다. 파드는 자기 포트에서 응답합니다",
	},
	targets: servedServices,
	plan: func(ctx context.Context, w *world, f *testbed.Fault, chance *rand.Rand) error {
		s, err := w.service(ctx, *f)
		if err != nil {
			return err
		}
		was := s.Spec.Ports[0].TargetPort.String()
		others := slices.DeleteFunc([]string{"8081", "8088", "9090", "3000", "8443"}, func(p string) bool { return p == was })
		f.Undo = map[string]string{undoWhere: strconv.Itoa(int(s.Spec.Ports[0].Port)), undoWas: was, undoIs: pick(chance, others...)}
		return nil
	},
	inject: func(ctx context.Context, w *world, f testbed.Fault) error {
		return w.setTargetPort(ctx, f, f.Undo[undoWas], f.Undo[undoIs])
	},
	recover: func(ctx context.Context, w *world, f testbed.Fault) error {
		return w.setTargetPort(ctx, f, f.Undo[undoIs], f.Undo[undoWas])
	},
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		s, err := w.service(ctx, f)
		if err != nil {
			return gone(err)
		}
		ready, err := w.readyEndpoints(ctx, f)
		if err != nil {
			return Sight{}, err
		}
		works, err := w.reaches(ctx, testbed.ControlName, net.JoinHostPort(s.Spec.ClusterIP, strconv.Itoa(int(s.Spec.Ports[0].Port))))
		if err != nil {
			return Sight{}, err
		}
		state := Between
		switch {
		case works:
			state = Whole
		case ready > 0:
			state = Broken
		}
		return Sight{state, lang.Textf("ready endpoints: %d; the Service's address %s", "준비된 엔드포인트 %d개, 서비스 주소가 %s", ready, either(works,
			lang.Text{EN: "answers", KO: "응답함"}, lang.Text{EN: "does not answer", KO: "응답하지 않음"}))}, nil
	},
}

func (w *world) setTargetPort(ctx context.Context, f testbed.Fault, from, to string) error {
	port, err := strconv.Atoi(f.Undo[undoWhere])
	if err != nil {
		return nil // nothing was planned, so nothing was done
	}
	// A list of ports is merged by port, which stays as it is.
	patch := map[string]any{"spec": map[string]any{"ports": []any{map[string]any{"port": port, "targetPort": intstr.Parse(to)}}}}
	still := func(s *v1.Service) bool {
		return slices.ContainsFunc(s.Spec.Ports, func(p v1.ServicePort) bool { return int(p.Port) == port && p.TargetPort.String() == from })
	}
	return w.patchService(ctx, f, still, patch, types.StrategicMergePatchType)
}
