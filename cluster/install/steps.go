package install

import (
	"context"
	"time"

	"noriter.dev/noriter/cluster/install/pki"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/step"
)

// slowLimit is for the steps that move images and programs.
const slowLimit = 5 * time.Minute

// Steps is the list that makes the cluster. The step named machines, which is
// the caller's, must have handed over all connections before. Limits are those of
// fast machines: see step.Patient.
func Steps(c *Cluster, machines string) []step.Step {
	return []step.Step{
		{
			ID: "pki", Title: lang.Text{EN: "Certificates", KO: "인증서"},
			// Not to remove the folder: a cluster that is there could read its Secrets no more.
			Advice: lang.Textf("`nori down --name %[1]s` and `nori up --name %[1]s` make the testbed anew, with all certificates",
				"`nori down --name %[1]s`, `nori up --name %[1]s`로 모든 인증서를 포함해 테스트베드를 새로 만들 수 있습니다", c.Name),
			Run: func(_ context.Context, note func(string)) error { return c.makePKI(note) },
		}, {
			ID: "runtime", Title: lang.Text{EN: "Container runtime and units", KO: "컨테이너 런타임과 유닛"},
			Needs: []string{machines, "pki"},
			Run:   func(ctx context.Context, _ func(string)) error { return c.each(ctx, c.prepareNode) },
		}, {
			ID: "control", Title: lang.Text{EN: "Control plane program", KO: "컨트롤 플레인 프로그램"},
			Needs: []string{machines}, Limit: slowLimit,
			Run: func(ctx context.Context, _ func(string)) error {
				return c.upload(ctx, c.control(), "nori-control")
			},
		}, {
			ID: "node", Title: lang.Text{EN: "Node program, to all nodes", KO: "노드 프로그램 (모든 노드)"},
			Needs: []string{machines}, Limit: slowLimit,
			Run: func(ctx context.Context, _ func(string)) error {
				return c.each(ctx, func(ctx context.Context, _ Node, m machine.Machine) error {
					return c.upload(ctx, m, "nori-node")
				})
			},
		}, {
			ID: "etcd", Title: lang.Text{EN: "etcd", KO: "etcd"},
			Needs: []string{"runtime", "control"},
			Run:   func(ctx context.Context, _ func(string)) error { return c.startControl(ctx, unitEtcd) },
		}, {
			ID: "apiserver", Title: lang.Text{EN: "API server", KO: "API 서버"},
			Needs: []string{"etcd"},
			Run:   func(ctx context.Context, _ func(string)) error { return c.startControl(ctx, unitAPIServer) },
		}, {
			ID: "scheduler", Title: lang.Text{EN: "Scheduler", KO: "스케줄러"},
			Needs: []string{"apiserver"},
			Run:   func(ctx context.Context, _ func(string)) error { return c.startControl(ctx, unitScheduler) },
		}, {
			ID: "controllers", Title: lang.Text{EN: "Controllers", KO: "컨트롤러"},
			Needs: []string{"apiserver"},
			Run:   func(ctx context.Context, _ func(string)) error { return c.startControl(ctx, unitControllers) },
		}, {
			ID: "images", Title: lang.Text{EN: "Images the cluster needs", KO: "클러스터용 이미지"},
			Needs: []string{"runtime"}, Limit: slowLimit,
			Run: func(ctx context.Context, _ func(string)) error { return c.importNeeded(ctx) },
		}, {
			ID: "agent", Title: lang.Text{EN: "Node agents", KO: "노드 에이전트"},
			Needs: []string{"apiserver", "node", "images"},
			Run:   func(ctx context.Context, _ func(string)) error { return c.startOnNodes(ctx, unitAgent) },
		}, {
			ID: "proxy", Title: lang.Text{EN: "Service proxies", KO: "서비스 프록시"},
			Needs: []string{"apiserver", "node"},
			Run:   func(ctx context.Context, _ func(string)) error { return c.startOnNodes(ctx, unitProxy) },
		}, {
			ID: "guards", Title: lang.Text{EN: "Guards of the machines", KO: "머신이 쓰는 주소와 포트 보호"},
			Needs: []string{"apiserver"},
			Run:   func(ctx context.Context, _ func(string)) error { return c.applyGuards(ctx) },
		}, {
			ID: "dns", Title: lang.Text{EN: "CoreDNS", KO: "CoreDNS"},
			Needs: []string{"apiserver"},
			Run:   func(ctx context.Context, _ func(string)) error { return c.applyDNS(ctx) },
		}, {
			ID: "ready", Title: lang.Text{EN: "Nodes ready, DNS answering", KO: "노드 준비, DNS 응답"},
			Needs: []string{"agent", "proxy", "dns", "guards", "scheduler", "controllers"},
			Advice: lang.Text{
				EN: "look with: nori kubectl get nodes,pods -A -o wide, and nori ssh NODE -- journalctl -u nori-agent",
				KO: "확인: nori kubectl get nodes,pods -A -o wide, nori ssh NODE -- journalctl -u nori-agent",
			},
			Run: func(ctx context.Context, note func(string)) error { return c.WaitReady(ctx, time.Time{}, note) },
		}, {
			ID: "apps", Title: lang.Text{EN: "Images for the labs", KO: "실습용 이미지"},
			// Behind all that the cluster itself needs: it would only take the
			// processors from it.
			Needs: []string{"images", "ready"}, Limit: slowLimit,
			Run: func(ctx context.Context, _ func(string)) error { return c.importOthers(ctx) },
		}, {
			ID: "ingress", Title: lang.Text{EN: "Ingress controller", KO: "인그레스 컨트롤러"},
			// Its image comes with those for the labs. Nobody waits for its pod.
			Needs: []string{"apps"},
			Run:   func(ctx context.Context, _ func(string)) error { return c.applyIngress(ctx) },
		}, {
			ID: "registry", Title: lang.Text{EN: "Registry", KO: "레지스트리"},
			Needs: []string{"runtime", "control", "ready"}, Limit: slowLimit,
			Run: c.startRegistry,
		},
	}
}

func (c *Cluster) makePKI(note func(string)) error {
	bundle, err := pki.Ensure(c.pkiDir(), c.pkiSpec())
	if err != nil {
		return lang.Errorf("making the certificates: %w", "인증서 만들기: %w", err)
	}
	c.mu.Lock()
	c.bundle = bundle
	c.mu.Unlock()
	if n := len(bundle.Changed); n > 0 {
		note(lang.Textf("%d made", "%d개를 만듦", n).String())
	}
	return nil
}
