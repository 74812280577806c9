package labtest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/run"
)

// demo is a lab whose steps are solved by writing files, which the world's
// containers see.
const demo = `id: demo
title: {en: Demo, ko: 연습}
summary: {en: a demo, ko: 연습입니다}
minutes: 5
level: 1
testbed: {nodes: 1}
vars:
  color: {pick: [red, green, blue]}
setup:
  - manifest: setup/pods.yaml
  - wait: {object: {kind: Pod, name: p}, expr: ready(object)}
steps:
  - id: one
    picture: pods
    limit: 3s
    hold: until-end
    when:
      - {expr: "size(pods) > 5", hint: many}
    checks:
      - id: written
        exec: {pod: p, command: [cat, /one]}
        expr: stdout.trim() == vars.color
        expect: {en: "the file one says {{vars.color}}", ko: "파일 one의 내용이 {{vars.color}}"}
        explain: {en: "it says: {{stdout.trim()}}", ko: "지금 내용: {{stdout.trim()}}"}
        fact: {en: "one says {{stdout.trim()}}", ko: "one의 내용은 {{stdout.trim()}}입니다"}
  - id: two
    limit: 4s
    remember:
      uids: {list: {kind: Pod}, expr: "items.map(p, p.metadata.uid)"}
    checks:
      - id: written
        exec: {pod: p, command: [cat, /two]}
        expr: code == 0
        expect: {en: "there is a file two", ko: "파일 two가 있음"}
        explain: {en: "there is no file two", ko: "파일 two가 없습니다"}
        fact: {en: "there is a file two", ko: "파일 two가 있습니다"}
      - id: stays-gone
        expect: {en: "v does not come back", ko: "v가 돌아오지 않음"}
        explain: {en: "v came back", ko: "v가 돌아왔습니다"}
        fact: {en: "v did not come back", ko: "v가 돌아오지 않았습니다"}
        triggered:
          delete: {kind: Pod, selector: app=v, pick: all}
          stays: 300ms
          then: {list: {kind: Pod, selector: app=v}, expr: size(items) == 0}
learnt:
  - {en: files are files, ko: 파일은 파일입니다}
sources:
  - {path: labs/run, what: {en: ran it, ko: 실행했습니다}}
wrong:
  - {script: wrong/color.sh, step: one, trips: written, why: {en: another colour, ko: 다른 색}}
  - {script: wrong/heal.sh, step: two, trips: stays-gone, why: {en: comes back, ko: 돌아옴}}
other:
  - {script: other/one.sh, step: one, why: {en: spaces, ko: 공백}}
allowed:
  - {way: two/early, why: {en: a file that is there is there, ko: 이미 있는 파일도 있는 파일}}
`

const demoText = "# Demo\nThe introduction.\n" +
	"## First {#one}\nWrite **{{vars.color}}** into the file `one`.\n### hint\nfirst nudge\n### hint\nsecond nudge\n### hint many\nso many pods\n" +
	"## Second {#two}\nThen write the file `two`.\n### hint\na\n### hint\nb\n## Done {#end}\nThat was it.\n"

const demoKorean = "# 연습\n소개합니다.\n" +
	"## 첫째 {#one}\n파일 `one`에 **{{vars.color}}**을(를) 적으세요. 한글은 두 칸을 차지하므로 예순 칸에서 줄이 알맞게 바뀌어야 합니다.\n" +
	"### hint\n첫 번째 힌트\n### hint\n두 번째 힌트\n### hint many\n파드가 많습니다\n" +
	"## 둘째 {#two}\n이제 파일 `two`를 적으세요.\n### hint\n가\n### hint\n나\n## 끝 {#end}\n다 했습니다.\n"

const demoPods = `apiVersion: v1
kind: Pod
metadata: {name: p}
---
apiVersion: v1
kind: Pod
metadata: {name: v, labels: {app: v}}
`

// DemoFS is the folder of the demo lab.
func DemoFS() fstest.MapFS {
	f := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"demo/lab.yaml": f(demo), "demo/en.md": f(demoText), "demo/ko.md": f(demoKorean),
		"demo/setup/pods.yaml": f(demoPods), "demo/files/note.txt": f("color {{vars.color}}\n"),
		"demo/solution/01-one.sh": f("echo $LAB_COLOR > one\n"), "demo/solution/02-two.sh": f("echo 2 > two\n"),
		"demo/wrong/color.sh": f("echo pink > one\n"), "demo/wrong/heal.sh": f("echo > heal\necho 2 > two\n"),
		"demo/other/one.sh": f("echo \" $LAB_COLOR \" > one\n"),
	}
}

// Demo loads the demo lab.
func Demo(t testing.TB) *format.Lab {
	t.Helper()
	lab, err := format.Load(DemoFS(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	return lab
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`

// Env makes an environment in a folder of the test; what is printed goes to
// the buffer.
func Env(t testing.TB) (*labs.Env, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(path, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	return &labs.Env{Testbed: "test", Kubeconfig: path, ProgressDir: filepath.Join(dir, "progress"),
		In: &bytes.Buffer{}, Out: &out, Err: &out}, &out
}

// Open makes a session in a world of its own, whose containers see the
// session's work folder. Where that has the file "heal", a deleted pod v
// comes back.
func Open(env *labs.Env, lab *format.Lab) (*run.Session, error) {
	s, _ := OpenWorld(env, lab)
	return s, nil
}

// OpenWorld is Open with the world to play in.
func OpenWorld(env *labs.Env, lab *format.Lab) (*run.Session, *World) {
	dir := env.Work(lab.ID)
	w := NewWorld(dir)
	w.OnDelete = func(namespace, name string) {
		if _, err := os.Stat(filepath.Join(dir, "heal")); err == nil && name == "v" {
			back := Pod(namespace, "v", "app=v")
			back.SetUID("uid-again")
			w.Put(back)
		}
	}
	return &run.Session{Env: env, Lab: lab, Cluster: w.Cluster, Store: run.StoreFor(env), Namespace: lab.Namespace}, w
}
