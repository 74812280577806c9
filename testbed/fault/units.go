package fault

import (
	"context"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

// anyWorker has the seed choose among the workers.
func anyWorker(_ context.Context, w *world) ([]testbed.Fault, error) {
	return nodesOf(w.Machines()[1:]), nil
}

// controlNode leaves no choice.
func controlNode(context.Context, *world) ([]testbed.Fault, error) {
	return nodesOf([]string{testbed.ControlName}), nil
}

// stop and start are for the faults that stop a unit.
func stop(unit string) func(context.Context, *world, testbed.Fault) error {
	return func(ctx context.Context, w *world, f testbed.Fault) error {
		_, err := w.run(ctx, f.Node, "systemctl stop "+unit)
		return err
	}
}

func start(unit string) func(context.Context, *world, testbed.Fault) error {
	return func(ctx context.Context, w *world, f testbed.Fault) error {
		_, err := w.run(ctx, f.Node, "systemctl start "+unit)
		return err
	}
}

// judge puts the two signs of a stopped unit together: what systemd says of
// it, and whether its work is done.
func judge(unit, state string, works bool, how lang.Text) Sight {
	s := Sight{Seen: lang.Textf("%s is %s; %s", "%s 상태는 %s, %s", unit, state, how)}
	switch {
	case state == "active" && works:
		s.State = Whole
	case state != "active" && !works:
		s.State = Broken
	}
	return s
}

func either(works bool, yes, no lang.Text) lang.Text {
	if works {
		return yes
	}
	return no
}

var agentStopped = &Fault{
	Name: "agent-stopped", Level: 1,
	What: lang.Text{EN: "the agent (kubelet) of a worker is stopped", KO: "워커의 에이전트(kubelet)를 멈춤"},
	Symptom: lang.Text{
		EN: "kubectl logs and exec fail there at once; its node is NotReady after about 50 s; what runs goes on running",
		KO: "그 노드의 kubectl logs와 exec가 바로 실패하고, 약 50초 뒤 노드가 NotReady가 됩니다. 돌던 것은 계속 돕니다",
	},
	targets: anyWorker, inject: stop("nori-agent"), recover: start("nori-agent"),
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		state, err := w.unit(ctx, f.Node, "nori-agent")
		if err != nil {
			return Sight{}, err
		}
		c, err := w.client()
		if err != nil {
			return Sight{}, err
		}
		limited, cancel := context.WithTimeout(ctx, w.Patient(2*askLimit))
		defer cancel()
		_, err = c.CoreV1().RESTClient().Get().Resource("nodes").Name(f.Node).SubResource("proxy").Suffix("healthz").DoRaw(limited)
		return judge("nori-agent", state, err == nil, either(err == nil,
			lang.Text{EN: "the API server reaches it", KO: "API 서버가 에이전트에 닿음"},
			lang.Text{EN: "the API server does not reach it", KO: "API 서버가 에이전트에 닿지 못함"})), ctx.Err()
	},
}

var schedulerStopped = &Fault{
	Name: "scheduler-stopped", Level: 1,
	What: lang.Text{EN: "the scheduler is stopped", KO: "스케줄러를 멈춤"},
	Symptom: lang.Text{
		EN: "new pods stay Pending, without any event; what runs goes on running",
		KO: "새 파드가 아무 이벤트 없이 Pending에 머뭅니다. 돌던 것은 계속 돕니다",
	},
	targets: controlNode, inject: stop("nori-scheduler"), recover: start("nori-scheduler"),
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		state, err := w.unit(ctx, f.Node, "nori-scheduler")
		if err != nil {
			return Sight{}, err
		}
		works, err := w.schedules(ctx)
		return judge("nori-scheduler", state, works, either(works,
			lang.Text{EN: "a new pod is looked at", KO: "새 파드를 살펴봄"},
			lang.Text{EN: "a new pod is not looked at", KO: "새 파드를 아무도 살펴보지 않음"})), err
	},
}

var controllersStopped = &Fault{
	Name: "controllers-stopped", Level: 2,
	What: lang.Text{EN: "the controllers are stopped", KO: "컨트롤러를 멈춤"},
	Symptom: lang.Text{
		EN: "deleted pods are not replaced, scaling does nothing, a new Deployment gets no ReplicaSet",
		KO: "지운 파드가 다시 생기지 않고, 스케일을 바꿔도 반영되지 않으며, 새 디플로이먼트에 레플리카셋이 생기지 않습니다",
	},
	targets: controlNode, inject: stop("nori-controllers"), recover: start("nori-controllers"),
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		state, err := w.unit(ctx, f.Node, "nori-controllers")
		if err != nil {
			return Sight{}, err
		}
		works, err := w.controls(ctx)
		return judge("nori-controllers", state, works, either(works,
			lang.Text{EN: "a new Deployment is acted upon", KO: "새 디플로이먼트를 처리함"},
			lang.Text{EN: "a new Deployment is not acted upon", KO: "새 디플로이먼트를 아무도 처리하지 않음"})), err
	},
}

var containerdStopped = &Fault{
	Name: "containerd-stopped", Level: 1,
	What: lang.Text{EN: "containerd of a worker is stopped", KO: "워커의 containerd를 멈춤"},
	Symptom: lang.Text{
		EN: "no container starts there any more; its node is NotReady after about 30 s: \"container runtime is down\"",
		KO: "그 노드에서 컨테이너가 더는 시작되지 않고, 약 30초 뒤 노드가 NotReady가 됩니다: \"container runtime is down\"",
	},
	targets: anyWorker, inject: stop("containerd"), recover: start("containerd"),
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		state, err := w.unit(ctx, f.Node, "containerd")
		if err != nil {
			return Sight{}, err
		}
		_, err = w.run(ctx, f.Node, "timeout 3 ctr version >/dev/null 2>&1")
		return judge("containerd", state, err == nil, either(err == nil,
			lang.Text{EN: "its socket answers", KO: "소켓이 응답함"},
			lang.Text{EN: "nobody answers on its socket", KO: "소켓에 아무도 응답하지 않음"})), ctx.Err()
	},
}
