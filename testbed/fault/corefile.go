package fault

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

// corefileKey is where the configuration of CoreDNS is in its ConfigMap.
const corefileKey = "Corefile"

var corefileBroken = &Fault{
	Name: "corefile-broken", Level: 2,
	What: lang.Text{EN: "the cluster's DNS answers for a misspelt domain", KO: "클러스터 DNS가 철자가 틀린 도메인을 맡음"},
	Symptom: lang.Text{
		EN: "the DNS pods are ready and answer, but no name of a Service is found: NXDOMAIN or SERVFAIL",
		KO: "DNS 파드는 준비되어 있고 응답도 하지만 서비스 이름을 하나도 찾지 못합니다: NXDOMAIN 또는 SERVFAIL",
	},
	targets: func(context.Context, *world) ([]testbed.Fault, error) {
		return []testbed.Fault{{Namespace: metav1.NamespaceSystem, Object: dnsDeployment}}, nil
	},
	plan: func(ctx context.Context, w *world, f *testbed.Fault, chance *rand.Rand) error {
		was, err := w.corefile(ctx, *f)
		if err != nil {
			return err
		}
		wrong := pick(chance, "cluster.lokal", "cluster.loacl", "clutser.local")
		keep(f, map[string]string{undoWas: was, undoIs: strings.ReplaceAll(was, install.Domain, wrong)})
		return nil
	},
	inject: func(ctx context.Context, w *world, f testbed.Fault) error {
		return w.setCorefile(ctx, f, f.Undo[undoIs])
	},
	recover: func(ctx context.Context, w *world, f testbed.Fault) error {
		now, err := w.corefile(ctx, f)
		if err != nil || f.Undo[undoWas] == "" || now == f.Undo[undoWas] {
			return err
		}
		if works, err := w.resolves(ctx, testbed.ControlName); err == nil && works && now != f.Undo[undoIs] {
			return nil // mended in another way
		}
		return w.setCorefile(ctx, f, f.Undo[undoWas])
	},
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		c, err := w.client()
		if err != nil {
			return Sight{}, err
		}
		ready, err := w.readyDNS(ctx, c)
		if err != nil {
			return Sight{}, err
		}
		works, err := w.resolves(ctx, testbed.ControlName)
		if err != nil {
			return Sight{}, err
		}
		s := Sight{Seen: lang.Textf("pods that are ready: %d; a name is %s", "준비된 파드 %d개, 이름을 %s", ready, either(works,
			lang.Text{EN: "resolved", KO: "찾음"}, lang.Text{EN: "not resolved", KO: "찾지 못함"}))}
		switch {
		case works && ready > 0:
			s.State = Whole
		case !works && ready > 0:
			s.State = Broken
		}
		return s, nil
	},
}

func (w *world) corefile(ctx context.Context, f testbed.Fault) (string, error) {
	c, err := w.client()
	if err != nil {
		return "", err
	}
	m, err := c.CoreV1().ConfigMaps(f.Namespace).Get(ctx, f.Object, metav1.GetOptions{})
	if err != nil {
		return "", lang.Errorf("looking at the configuration of DNS: %w", "DNS 설정 조회: %w", err)
	}
	return m.Data[corefileKey], nil
}

// setCorefile changes it, and has new pods read it: those that run would take minutes.
func (w *world) setCorefile(ctx context.Context, f testbed.Fault, text string) error {
	c, err := w.client()
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"data": map[string]string{corefileKey: text}})
	if err != nil {
		return err
	}
	if _, err := c.CoreV1().ConfigMaps(f.Namespace).Patch(ctx, f.Object, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return lang.Errorf("changing the configuration of DNS: %w", "DNS 설정 변경: %w", err)
	}
	if err := c.CoreV1().Pods(f.Namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: dnsLabel}); err != nil {
		return lang.Errorf("starting the cluster's DNS anew: %w", "클러스터 DNS 다시 시작: %w", err)
	}
	return nil
}
