// Package report collects what helps to find a fault, for a person to send to
// others: what the host is, what the testbed was told and is, what its machines and
// its cluster say.
//
// What is in a report is the table of sections below. Two things keep secrets out.
// Nothing that holds any is collected: no Secret, no value of a ConfigMap, no
// environment, no command line of a container, no log of a pod, no key. And all that is
// collected goes through a Scrubber (scrub.go), since a log may repeat anything.
//
// A report is for a testbed that does not work, so no section needs another one: what
// one of them can't be asked for is noted in the report, and the rest goes on.
package report

import (
	"context"
	"path"
	"slices"
	"strings"
	"sync"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

// Source is what a report is made of.
type Source struct {
	// Version is this program's.
	Version string
	Home    testbed.Home
	// Name is the testbed that is meant, and Testbed that one; nil where there is
	// none, or none that can be opened.
	Name    string
	Testbed *testbed.Testbed
	// Trouble is what was in the way before: why there is no testbed, say.
	Trouble []error
	// Lines is how much of each journal and console is taken.
	Lines int
	// Getenv looks into the caller's environment.
	Getenv func(string) string
}

// File is one file of a report.
type File struct {
	Name string
	Data []byte
}

// section is one part of a report.
type section struct {
	// what says what is in it, for people.
	what lang.Text
	// collect adds files to the run. What it could not get is its error.
	collect func(r *run, ctx context.Context) error
	// bed says that it needs a testbed.
	bed bool
}

// sections are all that a report may hold.
var sections = []section{
	{what: lang.Text{EN: "this host: versions of programs, kernel, processors, memory, disk", KO: "이 호스트: 프로그램 버전, 커널, 프로세서, 메모리, 디스크"}, collect: (*run).host},
	{what: lang.Text{EN: "`nori doctor`", KO: "`nori doctor`의 결과"}, collect: (*run).doctor},
	{what: lang.Text{EN: "the state that is kept of the testbed, its status, sizes of its files, the steps of the last `nori up`", KO: "저장된 테스트베드 상태, 현재 상태, 파일 크기, 마지막 `nori up`의 단계"}, collect: (*run).bed},
	{what: lang.Text{EN: "the ends of the machines' consoles", KO: "머신 콘솔 기록의 끝부분"}, collect: (*run).consoles, bed: true},
	{what: lang.Text{EN: "on each machine: units, disk, memory, and the ends of the components' journals with their decisions", KO: "머신마다: 유닛, 디스크, 메모리, 그리고 결정이 담긴 컴포넌트 저널의 끝부분"}, collect: (*run).machines, bed: true},
	{what: lang.Text{EN: "of the cluster: events, and the lists of objects that `kubectl get` shows, without Secrets", KO: "클러스터: 이벤트, 그리고 `kubectl get`이 보여 주는 오브젝트 목록 (시크릿 제외)"}, collect: (*run).cluster, bed: true},
}

// Contents says for people what a report holds, a line each.
func Contents() (lines []string) {
	for _, s := range sections {
		lines = append(lines, s.what.String())
	}
	return lines
}

// run is the making of one report.
type run struct {
	Source
	scrub *Scrubber

	mu      sync.Mutex
	files   []File
	trouble []string
}

// Report is a report that was made, and not written yet.
type Report struct {
	Files []File
	// Removed is how often the scrubber took something out, by what it was.
	Removed map[string]int
}

// Make collects a report.
func Make(ctx context.Context, s Source) Report {
	r := &run{Source: s, scrub: NewScrubber(s.Getenv)}
	for _, err := range s.Trouble {
		r.note(err)
	}
	if s.Testbed != nil {
		r.scrub.Secrets(ownSecrets(s.Testbed.Dir())...)
		r.scrub.Secrets(r.clusterSecrets(ctx)...)
		r.scrub.Keep(s.Testbed.Machines()...)
	}
	var wg sync.WaitGroup
	for _, part := range sections {
		if part.bed && s.Testbed == nil {
			continue
		}
		wg.Go(func() {
			if err := part.collect(r, ctx); err != nil {
				r.note(lang.Errorf("%v: %w", "%v: %w", part.what, err))
			}
		})
	}
	wg.Wait()
	if len(r.trouble) > 0 {
		slices.Sort(r.trouble)
		r.add("not-collected.txt", strings.Join(r.trouble, "\n")+"\n")
	}
	slices.SortFunc(r.files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return Report{Files: r.files, Removed: r.scrub.Removed()}
}

// add puts a text into the report, without what nobody else may know.
func (r *run) add(name, text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	clean := File{Name: path.Clean(r.scrub.Clean(name)), Data: []byte(r.scrub.Clean(text))}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files = append(r.files, clean)
}

// note keeps what could not be collected.
func (r *run) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble = append(r.trouble, "- "+strings.ReplaceAll(err.Error(), "\n", "\n  "))
}
