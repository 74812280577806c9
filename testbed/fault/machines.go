package fault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/testbed"
)

var nodeOff = &Fault{
	Name: "node-off", Level: 1,
	What: lang.Text{EN: "a worker's power is cut", KO: "워커의 전원을 끔"},
	Symptom: lang.Text{
		EN: "its node is NotReady after about 50 s; its pods are replaced elsewhere only after five minutes more",
		KO: "약 50초 뒤 노드가 NotReady가 됩니다. 그 노드의 파드는 5분이 더 지나야 다른 노드에 다시 만들어집니다",
	},
	targets: anyWorker,
	inject: func(ctx context.Context, w *world, f testbed.Fault) error {
		w.forget(f.Node)
		return w.Off(ctx, f.Node)
	},
	recover: func(ctx context.Context, w *world, f testbed.Fault) error {
		w.forget(f.Node)
		return w.On(ctx, f.Node)
	},
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		infos, err := w.List(ctx)
		if err != nil {
			return Sight{}, err
		}
		i := slices.IndexFunc(infos, func(i machine.Info) bool { return i.Name == f.Node })
		running := i >= 0 && infos[i].State == machine.Running
		answers := w.answers(ctx, f.Node)
		s := Sight{Seen: lang.Textf("the machine is %s; %s", "머신이 %s, %s",
			either(running, lang.Text{EN: "running", KO: "켜져 있음"}, lang.Text{EN: "off", KO: "꺼져 있음"}),
			either(answers, lang.Text{EN: "SSH answers", KO: "SSH가 응답함"}, lang.Text{EN: "nobody answers on SSH", KO: "SSH에 응답이 없음"}))}
		switch {
		case running && answers:
			s.State = Whole
		case !running && !answers:
			s.State = Broken
		}
		return s, ctx.Err()
	},
}

// answers says whether a machine lets us in, on a new connection.
func (w *world) answers(ctx context.Context, name string) bool {
	ctx, cancel := context.WithTimeout(ctx, w.Patient(askLimit))
	defer cancel()
	m, err := w.Dial(ctx, name)
	if err != nil {
		return false
	}
	_ = m.Close()
	return true
}

// cutTable is the nftables table that cuts a machine off.
const cutTable = "inet noriter_fault"

// cutScript drops what the machine exchanges with anyone on its network but
// this host, the gateway, through which the instructor mends it again. It
// drops at the very edge, so that pods' traffic is cut, too.
const cutScript = `set -e
gw=%[1]s
dev=$(ip -o route get $gw | sed -n 's/.* dev \([^ ]*\).*/\1/p')
nft -f - <<EOF
table %[2]s {}
delete table %[2]s
table %[2]s {
  chain in { type filter hook prerouting priority -400; iifname "$dev" ip saddr != $gw drop; }
  chain out { type filter hook postrouting priority 400; oifname "$dev" ip daddr != $gw drop; }
}
EOF`

var nodeCut = &Fault{
	Name: "node-cut", Level: 2,
	What: lang.Text{EN: "a worker is cut off from the other machines", KO: "워커를 다른 머신들과 격리함"},
	Symptom: lang.Text{
		EN: "its pods run on, but nobody reaches them and they reach nobody; its node is NotReady after about 50 s",
		KO: "그 노드의 파드는 계속 돌지만 밖에서 닿지 않고, 밖으로도 닿지 못합니다. 약 50초 뒤 노드가 NotReady가 됩니다",
	},
	targets: anyWorker,
	inject: func(ctx context.Context, w *world, f testbed.Fault) error {
		gateway := w.State().Subnet.Masked().Addr().Next()
		_, err := w.run(ctx, f.Node, fmt.Sprintf(cutScript, gateway, cutTable))
		return err
	},
	recover: func(ctx context.Context, w *world, f testbed.Fault) error {
		_, err := w.run(ctx, f.Node, "nft list tables | grep -q 'table "+cutTable+"$' || exit 0; nft delete table "+cutTable)
		return err
	},
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		control, _ := w.Address(testbed.ControlName)
		node, ok := w.Address(f.Node)
		if !ok {
			return Sight{}, lang.Errorf("%s is no machine of the testbed any more", "%s은(는) 이제 테스트베드의 머신이 아닙니다", f.Node)
		}
		out, err := w.reaches(ctx, f.Node, net.JoinHostPort(control.String(), "6443"))
		if err != nil {
			return Sight{}, err
		}
		in, err := w.reaches(ctx, testbed.ControlName, net.JoinHostPort(node.String(), "22"))
		if err != nil {
			return Sight{}, err
		}
		reaches, doesNot := lang.Text{EN: "reaches", KO: "닿음"}, lang.Text{EN: "does not reach", KO: "닿지 않음"}
		s := Sight{Seen: lang.Textf("%s %s the control node; the control node %s it",
			"%s에서 컨트롤 플레인 노드에 %s, 컨트롤 플레인 노드에서 그 노드에 %s", f.Node, either(out, reaches, doesNot), either(in, reaches, doesNot))}
		switch {
		case out && in:
			s.State = Whole
		case !out && !in:
			s.State = Broken
		}
		return s, ctx.Err()
	},
}

var proxyRulesGone = &Fault{
	Name: "proxy-rules-gone", Level: 2,
	What: lang.Text{EN: "on a worker the service proxy is stopped and its rules are gone", KO: "워커의 서비스 프록시를 멈추고 규칙을 지움"},
	Symptom: lang.Text{
		EN: "from that node no Service is reached, nor any node port on it; pods' own addresses are",
		KO: "그 노드에서는 서비스에도, 그 노드의 노드 포트에도 닿지 않습니다. 파드 주소로는 닿습니다",
	},
	targets: anyWorker,
	inject: func(ctx context.Context, w *world, f testbed.Fault) error {
		_, err := w.run(ctx, f.Node, "systemctl stop nori-proxy && nft delete table ip kube-proxy")
		return err
	},
	recover: func(ctx context.Context, w *world, f testbed.Fault) error {
		// A proxy that was started again meanwhile has its rules already, or
		// thinks that it does: only at its start does it look for certain.
		_, err := w.run(ctx, f.Node, "nft list table ip kube-proxy >/dev/null 2>&1 && systemctl is-active --quiet nori-proxy || systemctl restart nori-proxy")
		return err
	},
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		state, err := w.unit(ctx, f.Node, "nori-proxy")
		if err != nil {
			return Sight{}, err
		}
		works, err := w.reaches(ctx, f.Node, net.JoinHostPort(install.KubernetesIP, "443"))
		return judge("nori-proxy", state, works, either(works,
			lang.Text{EN: "the Service kubernetes is reached from there", KO: "거기서 서비스 kubernetes에 닿음"},
			lang.Text{EN: "the Service kubernetes is not reached from there", KO: "거기서 서비스 kubernetes에 닿지 않음"})), errors.Join(err, ctx.Err())
	},
}
