package quiz

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/run"
)

// demo has a question of each kind, about a pod that the test's world makes.
const demo = `topic: demo
title: {en: Demo, ko: 연습}
vars:
  word: {pick: [maple, comet]}
objects:
  nodes: {kind: Node}
ready:
  - {what: {en: the pod p, ko: 파드 p}, expr: 'pods.exists(p, p.metadata.name == "p" && ready(p))'}
questions:
  - id: node
    kind: choice
    ask: {en: "Where is p? ({{vars.word}})", ko: "p는 어디에? ({{vars.word}})"}
    right:
      - expr: pods[0].spec.nodeName
    wrong:
      - {expr: "nodes.map(n, n.metadata.name)", why: {en: "p is not on {{item}}", ko: "p는 {{item}}에 없습니다"}}
      - {text: {en: nowhere, ko: 아무 데도 없음}, why: {en: it runs, ko: 실행 중입니다}}
    explain: {en: "it runs on {{pods[0].spec.nodeName}}", ko: "{{pods[0].spec.nodeName}}에서 실행 중입니다"}
    see: kubectl get pod p -n {{ns}}
    proof: echo node1
  - id: shared
    kind: multi
    ask: {en: "What is shared?", ko: "함께 쓰는 것은?"}
    right:
      - text: {en: the address, ko: 주소}
      - text: {en: volumes, ko: 볼륨}
    wrong:
      - {text: {en: the image, ko: 이미지}, why: {en: each has its own, ko: 저마다 다릅니다}}
      - {text: {en: "a very long option that goes on and on and is far wider than a narrow terminal is", ko: "좁은 터미널보다 훨씬 길어서 한 줄에 다 들어가지 않고 계속 이어지는 아주 긴 보기입니다"}, why: {en: too long, ko: 너무 깁니다}}
    explain: {en: that is what a pod is, ko: 그것이 파드입니다}
  - id: labels
    kind: number
    ask: {en: "How many pods?", ko: "파드는 몇 개?"}
    right: [{expr: size(pods)}]
    wrong: [{expr: "0", why: {en: there is one, ko: 하나 있습니다}}]
    explain: {en: count them, ko: 세어 보세요}
    see: kubectl get pods -n {{ns}}
    proof: echo 1
  - id: address
    kind: text
    ask: {en: "Which address?", ko: "어느 주소?"}
    right: [{expr: "pods[0].status.podIP"}]
    wrong: [{expr: "pods[0].status.hostIP", why: {en: the machine's, ko: 머신의 주소입니다}}]
    explain: {en: its own, ko: 자기 주소입니다}
    see: kubectl get pod p -n {{ns}} -o wide
    proof: echo 10.244.1.5
  - id: never
    kind: text
    if: size(nodes) > 5
    ask: {en: "six nodes?", ko: "노드 여섯?"}
    right: [{expr: "nodes[5].metadata.name"}]
    wrong: [{text: {en: x, ko: x}, why: {en: no, ko: 아니요}}]
    explain: {en: e, ko: 설명}
    see: kubectl get nodes
    proof: echo
`

const demoWorld = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  labels:\n    word: {{vars.word}}\nspec:\n  nodeName: node1\n"

func demoFS() fstest.MapFS {
	return fstest.MapFS{"demo/quiz.yaml": {Data: []byte(demo)}, "demo/world.yaml": {Data: []byte(demoWorld)}}
}

// open makes a session of the demo, or of a changed one, in a world of its own.
func open(t *testing.T, replace ...string) (*Session, *labtest.World) {
	t.Helper()
	files := demoFS()
	text := strings.NewReplacer(replace...).Replace(demo)
	if len(replace) > 0 && text == demo {
		t.Fatalf("%q is not in the demo", replace)
	}
	files["demo/quiz.yaml"] = &fstest.MapFile{Data: []byte(text)}
	z, err := Load(files, "demo")
	if err != nil {
		t.Fatal(err)
	}
	env, _ := labtest.Env(t)
	w := labtest.NewWorld(t.TempDir())
	w.Put(labtest.Object("v1", "Node", "", "control", nil))
	return &Session{Env: env, Quiz: z, Cluster: w.Cluster, Store: run.StoreFor(env), Namespace: z.Namespace()}, w
}

// start opens the attempt as well.
func start(t *testing.T, replace ...string) (*Session, *labtest.World) {
	t.Helper()
	s, w := open(t, replace...)
	s.Seed = 7
	if _, err := s.Start(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s, w
}

func asked(t *testing.T, s *Session, id string) *Asked {
	t.Helper()
	a, err := s.compute(t.Context(), s.Quiz.Question(id))
	if err != nil {
		t.Fatal(err)
	}
	return a
}
