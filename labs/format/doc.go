// Package format is what a lab is on disk: lab.yaml, read strictly, and its
// text in two languages. Every mistake is reported with file, line, column
// and, for a misspelt word, the nearest right one; and all of them at once.
//
// A lab is a folder:
//
//	lab.yaml          what the engine reads
//	en.md  ko.md      the text, one section per step; see Prose
//	files/            manifests handed to the learner
//	setup/            what prepares the lab's namespace
//	solution/NN-step.sh
//	wrong/NAME.sh  other/NAME.sh
//
// lab.yaml in outline; Lab and the types below it say what each field means:
//
//	id: replicasets
//	title: {en: …, ko: …}
//	summary: {en: …, ko: …}
//	minutes: 15
//	level: 1                      # 1 first steps … 4 on call
//	needs: [pods]
//	testbed: {nodes: 2}           # or: any
//	alone: true
//	namespace: lab-replicasets
//	vars: {color: {pick: [red, green]}, port: {min: 30000, max: 30100}}
//	setup:
//	  - {manifest: setup/web.yaml}
//	  - {if: vars.color == "red", node: {on: workers, run: …, undo: …}}
//	  - {wait: CHECK}
//	steps:
//	  - id: three
//	    points: 10
//	    hold: once                # or: until-end
//	    limit: 60s
//	    cost: [2, 4]
//	    remember: {uids: {list: {kind: Pod}, expr: …}}
//	    picture: pods             # or: {kind: request, name: web, selector: …, host: …}
//	    when: [{object: {…}, expr: …, hint: pending}]
//	    checks: [CHECK, …]
//	learnt: [{en: …, ko: …}]
//	sources: [{path: cluster/agent/pods, func: sync, what: {en: …, ko: …}}]
//	wrong: [{script: wrong/a.sh, step: three, trips: CHECK-ID, why: {en: …, ko: …}}]
//	other: [{script: other/b.sh, step: three, why: {en: …, ko: …}}]
//	allowed: [{way: three/twice, why: {en: …, ko: …}}]  # derived ways that are right after all;
//	                          # ways: [a, b] for several of one reason
//
// What a CHECK is, with the fields of every kind of check, is the documentation
// of package check; how expressions are written is that of package expr.
package format
