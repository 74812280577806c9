package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/learner"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/folder"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/quiz"
	"noriter.dev/noriter/labs/screen"
	"noriter.dev/noriter/testbed"
)

// A lab or a quiz from elsewhere is a program of somebody's. It is read with the rights of
// whoever called, they are asked before it does anything, and what runs is what was read.

// readAt reads a lab or a quiz that is on disk, and gives the folder that it is in.
func readAt[T any](path string, load func(fs.FS, string) (*T, error)) (v *T, dir string, hash string, err error) {
	dir, err = filepath.Abs(path)
	if err != nil {
		return nil, "", "", lang.Errorf("looking for %s: %w", "%s 찾기: %w", path, err)
	}
	who, err := learner.Caller()
	if err != nil {
		return nil, "", "", err
	}
	var f *folder.Folder
	err = who.Do(func() error {
		f, err = folder.Read(dir)
		return err
	})
	if err == nil {
		v, err = load(f, f.Name())
	}
	var problems problem.List
	var bad *folder.BadError
	if errors.As(err, &problems) || errors.As(err, &bad) || errors.Is(err, fs.ErrNotExist) {
		err = &testbed.UsageError{Err: err}
	}
	if err != nil {
		return nil, "", "", err
	}
	return v, dir, f.Hash(), nil
}

// labAt reads a lab that is on disk.
func labAt(path string) (*format.Lab, error) {
	l, dir, hash, err := readAt(path, format.Load)
	if err != nil {
		return nil, err
	}
	all, err := allLabs()
	if err != nil {
		return nil, err
	}
	l.Path, l.Hash = dir, hash
	l.Twin = slices.ContainsFunc(all, func(b *format.Lab) bool { return b.ID == l.ID })
	return l, nil
}

// quizAt reads a quiz that is on disk.
func quizAt(path string) (*quiz.Quiz, error) {
	z, dir, hash, err := readAt(path, quiz.Load)
	if err != nil {
		return nil, err
	}
	z.Path, z.Hash = dir, hash
	z.Twin = slices.Contains(quiz.Topics(), z.Topic)
	return z, nil
}

// trustFlag adds --trust to a command and those below it.
func (g *globals) trustFlag(c *cobra.Command) {
	c.PersistentFlags().BoolVar(&g.trust, "trust", false, lang.T("run what is from elsewhere (a path) without asking: you know who wrote it",
		"다른 곳에서 온 것(경로)을 묻지 않고 실행: 누가 만들었는지 알 때만"))
}

// agree makes the environment one in which something from elsewhere may run, if the learner
// agrees to it. They are asked once for each content. What is built in passes.
func (g *globals) agree(env *labs.Env, ui *screen.UI, path, hash string, effects format.Effects) error {
	if path == "" {
		return nil
	}
	if err := g.otherHands(env); err != nil {
		return err
	}
	agreed, err := env.User.ReadFile(env.Agreed)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return lang.Errorf("reading what was agreed to: %w", "동의한 내용 읽기: %w", err)
	}
	for line := range strings.Lines(string(agreed)) {
		if had, _, _ := strings.Cut(line, " "); had == hash {
			return nil
		}
	}
	hands, _ := env.Scripter()
	lines := append([]string{lang.Textf("%s is from elsewhere. What it does:", "%s은(는) 다른 곳에서 온 것입니다. 하는 일:", path).String()},
		effectLines(effects, hands)...)
	if g.output != "json" {
		if err := ui.Print(lines...); err != nil {
			return err
		}
	}
	if !g.trust {
		yes, err := ui.Agree(lang.T("Do you know who wrote it, and let it do so?", "누가 만들었는지 알고, 실행하도록 허락할까요?"))
		switch {
		case errors.Is(err, screen.ErrNoAnswer):
			return g.usage("nobody can be asked whether %s may do this; to let it: nori %s --trust",
				"%s이(가) 이렇게 해도 되는지 물어볼 사람이 없습니다. 허락하려면: nori %s --trust", path, strings.Join(os.Args[1:], " "))
		case err != nil:
			return err
		case !yes:
			ui.Say(lang.T("Nothing was run.", "아무것도 실행하지 않았습니다."))
			return &exitStatus{exitFailed}
		}
	}
	line := hash + "  " + strings.Join(strings.Fields(filepath.Base(path)), "_") + "\n"
	if err := env.User.WriteFile(env.Agreed, append(agreed, line...), 0o600); err != nil {
		return lang.Errorf("keeping what was agreed to: %w", "동의한 내용 저장: %w", err)
	}
	return nil
}

// otherHands makes scripts run as nobody where the learner is root: what somebody else
// wrote needs no more.
func (g *globals) otherHands(env *labs.Env) error {
	if !env.User.Self() || os.Geteuid() != 0 {
		return nil
	}
	nobody, err := learner.Nobody()
	if err != nil {
		return err
	}
	desk, err := g.bed.Desk(nobody)
	if err != nil {
		return err
	}
	kubeconfig, err := desk.Kubeconfig()
	if err != nil {
		return err
	}
	if _, err := programDir(g.bed.Home(), nobody); err != nil {
		return err
	}
	env.Hands, env.HandsKubeconfig, env.WorkDir = nobody, kubeconfig, desk.Work()
	return nil
}

// effectLines say what a lab or a quiz does, and where.
func effectLines(e format.Effects, hands *learner.User) (lines []string) {
	as := lang.Text{EN: "you", KO: "여러분"}
	if !hands.Self() {
		as = lang.Text{EN: hands.Name, KO: hands.Name}
	}
	for _, row := range []struct {
		what  lang.Text
		items []string
	}{
		{lang.Text{EN: "namespace that it makes and removes", KO: "만들고 지우는 네임스페이스"}, []string{e.Namespace}},
		{lang.Textf("scripts on this host, as %s", "이 호스트에서 실행하는 스크립트 (%s 권한)", as), e.Host},
		{lang.Textf("scripts on this host, as %s, when a solution is asked for or a proof is made", "풀이를 부탁하거나 검증할 때 이 호스트에서 실행하는 스크립트 (%s 권한)", as), e.Typed},
		{lang.Text{EN: "commands on machines, as root", KO: "머신에서 root로 실행하는 명령"}, e.Machines},
		{lang.Text{EN: "commands in containers", KO: "컨테이너 안에서 실행하는 명령"}, e.Pods},
		{lang.Text{EN: "addresses that it asks for pages", KO: "페이지를 요청하는 주소"}, e.Addresses},
		{lang.Text{EN: "objects that it makes or changes", KO: "만들거나 바꾸는 오브젝트"}, e.Objects},
		{lang.Text{EN: "images", KO: "이미지"}, e.Images},
	} {
		if len(row.items) == 0 {
			continue
		}
		lines = append(lines, "  "+row.what.String()+":")
		for _, item := range row.items {
			lines = append(lines, fmt.Sprintf("    %s", strings.ReplaceAll(strings.TrimSpace(item), "\n", "\n      ")))
		}
	}
	return lines
}
