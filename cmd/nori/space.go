package main

import (
	"context"
	"fmt"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

// space is `nori status --space`: what this home and its cache take on the disk.
func (g *globals) space(ctx context.Context) error {
	home, err := testbed.FindHome()
	if err != nil {
		return err
	}
	if err := g.becomeRoot(home); err != nil {
		return err
	}
	bin, err := binDir()
	if err != nil {
		bin = "" // then what this nori would use of container images stays open
	}
	s, err := home.Space(ctx, bin)
	if err != nil {
		return err
	}
	return g.show(s, func() { g.printSpace(s) })
}

func (g *globals) printSpace(s testbed.Space) {
	if len(s.Entries) > 0 {
		fmt.Fprintf(g.stdout, "%s  %s\n", lang.T("cache", "캐시"), s.Cache)
		printTable(g, entryRows(s.Entries))
		fmt.Fprintln(g.stdout)
	}
	fmt.Fprintf(g.stdout, "%s  %s\n", lang.T("home", "홈"), s.Home)
	rows := [][]string{{lang.T("TESTBED", "테스트베드"), lang.T("MACHINES", "머신"), lang.T("SNAPSHOTS", "스냅샷"), lang.T("OTHER", "기타"), lang.T("ALL", "합계")}}
	for _, t := range s.Testbeds {
		snapshots := sizeText(t.Snapshots)
		if t.Within {
			snapshots = lang.T("in the machines", "머신에 포함")
		}
		rows = append(rows, []string{t.Name, sizeText(t.Machines), snapshots, sizeText(t.Other), sizeText(t.Bytes)})
	}
	if len(s.Testbeds) > 0 {
		printTable(g, rows)
	}
	printTable(g, [][]string{
		{lang.T("learners' progress", "학습자의 진행 상황"), sizeText(s.Progress)},
		{lang.T("locks, notes, folders", "잠금, 메모, 폴더"), sizeText(s.Other)},
		{lang.T("all of it", "전체"), sizeText(s.Bytes)},
	})
	for _, t := range s.Testbeds {
		if t.Elsewhere != "" {
			fmt.Fprintln(g.stdout, lang.Textf("besides, %s has the disks of testbed %s: %s",
				"이 밖에 %s에 테스트베드 %s의 디스크가 있습니다: %s", t.Elsewhere, t.Name, sizeText(t.ElsewhereBytes)))
		}
	}
}

// entryRows are a table of the cache's entries, with its head.
func entryRows(entries []testbed.Entry) [][]string {
	rows := [][]string{{lang.T("WHAT", "종류"), lang.T("NAME", "이름"), lang.T("SIZE", "크기"), lang.T("OF", "만든 곳"), lang.T("NEEDED BY", "필요한 곳")}}
	for _, e := range entries {
		rows = append(rows, []string{e.Kind.Text().String(), e.Name, sizeText(e.Bytes), orDash(e.Belongs().String()), neededBy(e)})
	}
	return rows
}

// neededBy names the testbeds that need an entry; those who have it open without being
// one of them are only said to be there.
func neededBy(e testbed.Entry) string {
	if len(e.Testbeds) == 0 && len(e.InUse) > 0 {
		return e.InUse[0]
	}
	return orDash(strings.Join(e.Testbeds, ", "))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// sizeText is a number of bytes as people read it.
func sizeText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", (n+1023)>>10)
}
