package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/testbed"
)

// changeNode changes a Node, again where somebody else has changed it meanwhile.
func (w *world) changeNode(ctx context.Context, name string, change func(*v1.Node)) error {
	c, err := w.client()
	if err != nil {
		return err
	}
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		n, err := c.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		change(n)
		_, err = c.CoreV1().Nodes().Update(ctx, n, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return lang.Errorf("changing the node %s: %w", "노드 %s 변경: %w", name, err)
	}
	return nil
}

func (w *world) node(ctx context.Context, name string) (*v1.Node, error) {
	c, err := w.client()
	if err != nil {
		return nil, err
	}
	n, err := c.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, lang.Errorf("looking at the node %s: %w", "노드 %s 조회: %w", name, err)
	}
	return n, nil
}

var nodeTainted = &Fault{
	Name: "node-tainted", Level: 2,
	What: lang.Text{EN: "a worker has a taint that drives all pods away", KO: "모든 파드를 내쫓는 테인트를 워커에 붙임"},
	Symptom: lang.Text{
		EN: "the node is Ready and empty: its pods went elsewhere, and no new ones come",
		KO: "노드는 Ready인데 비어 있습니다. 있던 파드는 다른 노드로 옮겨 갔고, 새 파드도 오지 않습니다",
	},
	targets: anyWorker,
	plan: func(_ context.Context, _ *world, f *testbed.Fault, chance *rand.Rand) error {
		keep(f, map[string]string{undoWhere: pick(chance, "maintenance", "dedicated", "hardware")})
		return nil
	},
	inject: func(ctx context.Context, w *world, f testbed.Fault) error {
		return w.changeNode(ctx, f.Node, func(n *v1.Node) {
			n.Spec.Taints = append(n.Spec.Taints, v1.Taint{Key: f.Undo[undoWhere], Value: "true", Effect: v1.TaintEffectNoExecute})
		})
	},
	recover: func(ctx context.Context, w *world, f testbed.Fault) error {
		return w.changeNode(ctx, f.Node, func(n *v1.Node) {
			n.Spec.Taints = slices.DeleteFunc(n.Spec.Taints, func(t v1.Taint) bool { return t.Key == f.Undo[undoWhere] })
		})
	},
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		n, err := w.node(ctx, f.Node)
		if err != nil {
			return Sight{}, err
		}
		for _, t := range n.Spec.Taints {
			// Those of Kubernetes itself say how the node is, and not who may come.
			if t.Effect != v1.TaintEffectPreferNoSchedule && !strings.HasPrefix(t.Key, "node.kubernetes.io/") {
				return Sight{Broken, lang.Textf("the node %s has the taint %s", "노드 %s의 테인트 %s", f.Node, t.ToString())}, nil
			}
		}
		return Sight{Whole, lang.Textf("the node %s has no taint that keeps pods away", "노드 %s에 파드를 막는 테인트가 없음", f.Node)}, nil
	},
}

var nodeCordoned = &Fault{
	Name: "node-cordoned", Level: 1,
	What: lang.Text{EN: "a worker is cordoned", KO: "워커를 cordon함"},
	Symptom: lang.Text{
		EN: "no new pods come to the node; those that are there run on",
		KO: "그 노드에 새 파드가 오지 않습니다. 있던 파드는 계속 돕니다",
	},
	targets: anyWorker,
	inject: func(ctx context.Context, w *world, f testbed.Fault) error {
		return w.changeNode(ctx, f.Node, func(n *v1.Node) { n.Spec.Unschedulable = true })
	},
	recover: func(ctx context.Context, w *world, f testbed.Fault) error {
		return w.changeNode(ctx, f.Node, func(n *v1.Node) { n.Spec.Unschedulable = false })
	},
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		n, err := w.node(ctx, f.Node)
		if err != nil {
			return Sight{}, err
		}
		if n.Spec.Unschedulable {
			return Sight{Broken, lang.Textf("the node %s is closed to new pods", "노드 %s에 새 파드가 올 수 없음", f.Node)}, nil
		}
		return Sight{Whole, lang.Textf("the node %s is open to new pods", "노드 %s에 새 파드가 올 수 있음", f.Node)}, nil
	},
}

// forwardFile is what makes a router of a machine.
const forwardFile = "/proc/sys/net/ipv4/ip_forward"

var forwardingOff = &Fault{
	Name: "forwarding-off", Level: 3,
	What: lang.Text{EN: "a worker no longer forwards packets between its pods and the network", KO: "워커가 파드와 네트워크 사이의 패킷을 전달하지 않음"},
	Symptom: lang.Text{
		EN: "the node is Ready and its pods are, too, and yet nobody on another node reaches them, nor they anybody",
		KO: "노드도 그 노드의 파드도 준비 상태인데, 다른 노드에서는 그 파드에 닿지 않고 그 파드도 밖에 닿지 못합니다",
	},
	targets: anyWorker,
	inject: func(ctx context.Context, w *world, f testbed.Fault) error {
		_, err := w.run(ctx, f.Node, "echo 0 > "+forwardFile)
		return err
	},
	recover: func(ctx context.Context, w *world, f testbed.Fault) error {
		_, err := w.run(ctx, f.Node, "echo 1 > "+forwardFile)
		return err
	},
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		value, err := w.run(ctx, f.Node, "cat "+forwardFile)
		if err != nil {
			return Sight{}, err
		}
		s := Sight{Broken, lang.Textf("net.ipv4.ip_forward is %s on %s", "%[2]s의 net.ipv4.ip_forward 값은 %[1]s", value, f.Node)}
		if value == "1" {
			s.State = Whole
		}
		return s, nil
	},
}

// agentConfig is how the kubelet finds the API server.
const agentConfig = "/etc/kubernetes/kubelet.conf"

var agentConfigWrong = &Fault{
	Name: "agent-config-wrong", Level: 3,
	What: lang.Text{EN: "the kubelet of a worker looks for the API server at a wrong port", KO: "워커의 kubelet이 잘못된 포트에서 API 서버를 찾음"},
	Symptom: lang.Text{
		EN: "the kubelet runs and complains in its journal; its node is NotReady after about 50 s, and takes no new pods",
		KO: "kubelet은 돌면서 저널에 오류를 남깁니다. 약 50초 뒤 노드가 NotReady가 되고 새 파드를 받지 않습니다",
	},
	targets: anyWorker,
	plan: func(ctx context.Context, w *world, f *testbed.Fault, chance *rand.Rand) error {
		was, err := w.apiOf(ctx, f.Node)
		if err != nil {
			return err
		}
		keep(f, map[string]string{undoWas: was, undoIs: strings.TrimSuffix(was, ":6443") + ":" + pick(chance, "6444", "8443", "6433")})
		return nil
	},
	inject: func(ctx context.Context, w *world, f testbed.Fault) error {
		return w.setAPI(ctx, f.Node, f.Undo[undoIs])
	},
	recover: func(ctx context.Context, w *world, f testbed.Fault) error {
		now, err := w.apiOf(ctx, f.Node)
		if err != nil || f.Undo[undoWas] == "" || now == f.Undo[undoWas] {
			return err
		}
		return w.setAPI(ctx, f.Node, f.Undo[undoWas])
	},
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		server, err := w.apiOf(ctx, f.Node)
		if err != nil {
			return Sight{}, err
		}
		address := server
		if u, err := url.Parse(server); err == nil {
			address = u.Host
		}
		answers, err := w.reaches(ctx, f.Node, address)
		if err != nil {
			return Sight{}, err
		}
		// Whoever corrected the file and didn't start the kubelet anew has mended nothing.
		state, err := w.run(ctx, f.Node, "ss -Htnp state established dst "+shell.Quote(address)+
			" | grep -q \"pid=$(systemctl show -P MainPID nori-agent),\" && echo connected || true")
		s := Sight{Seen: lang.Textf("the kubelet of %s looks for the API server at %s, where %s", "%s의 kubelet이 API 서버를 찾는 주소는 %s, 그곳에서 %s", f.Node, address, either(answers,
			lang.Text{EN: "it is", KO: "API 서버가 응답함"}, lang.Text{EN: "nobody answers", KO: "아무도 응답하지 않음"}))}
		switch {
		case !answers:
			s.State = Broken
		case state == "connected":
			s.State = Whole
		}
		return s, err
	},
}

// apiOf is the URL at which the kubelet of a machine looks for the API server.
func (w *world) apiOf(ctx context.Context, node string) (string, error) {
	return w.run(ctx, node, "sed -n 's/^ *server: *//p' "+agentConfig)
}

// setAPI changes it, and starts the kubelet anew.
func (w *world) setAPI(ctx context.Context, node, server string) error {
	_, err := w.run(ctx, node, fmt.Sprintf("sed -i 's#^\\( *server: *\\).*#\\1%s#' %s && systemctl restart --no-block nori-agent", server, agentConfig))
	return err
}

var registryStopped = &Fault{
	Name: "registry-stopped", Level: 2,
	What: lang.Text{EN: "the registry is stopped", KO: "레지스트리를 멈춤"},
	Symptom: lang.Text{
		EN: "images that a node does not have yet are not pulled: ErrImagePull, \"connection refused\"",
		KO: "노드에 아직 없는 이미지를 받지 못합니다: ErrImagePull, \"connection refused\"",
	},
	targets: controlNode, inject: stop("nori-registry"), recover: start("nori-registry"),
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		state, err := w.unit(ctx, f.Node, "nori-registry")
		if err != nil {
			return Sight{}, err
		}
		works, err := w.reaches(ctx, f.Node, net.JoinHostPort("127.0.0.1", "5443"))
		return judge("nori-registry", state, works, either(works,
			lang.Text{EN: "its port answers", KO: "포트가 응답함"},
			lang.Text{EN: "nobody answers on its port", KO: "포트에 아무도 응답하지 않음"})), err
	},
}
