package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/lint"
	"noriter.dev/noriter/labs/skeleton"
	"noriter.dev/noriter/testbed"
)

func newLintCommand(g *globals) *cobra.Command {
	return g.outputFlag(&cobra.Command{
		Use:   "lint [PATH…]",
		Short: lang.T("Find the mistakes in labs, quizzes and testbed files, without a cluster", "클러스터 없이 실습, 퀴즈, 테스트베드 파일의 오류 찾기"),
		Long: lang.T(
			"Reads labs, quizzes and testbed files strictly and reports every mistake with its file\n"+
				"and line.\n"+
				"A PATH is the folder of a lab or a quiz or a file in it, a folder of labs, or a testbed file.\n"+
				"Without one, what comes with this program is looked at.",
			"실습, 퀴즈, 테스트베드 파일을 엄격하게 읽고, 모든 오류를 파일 이름, 줄 번호와 함께 알려 줍니다.\n"+
				"PATH는 실습이나 퀴즈의 폴더 또는 그 안의 파일, 실습이 모여 있는 폴더, 또는 테스트베드 파일입니다.\n"+
				"지정하지 않으면 이 프로그램에 들어 있는 것을 검사합니다."),
		RunE: func(_ *cobra.Command, args []string) error { return g.lint(args) },
	})
}

// lintProblem is one mistake for `-o json`.
type lintProblem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

// lint prints the mistakes and ends with exit code 1 if there are any.
func (g *globals) lint(paths []string) error {
	var found problem.List
	var err error
	if len(paths) == 0 {
		found, err = lint.BuiltIn()
	}
	for _, p := range paths {
		some, pathErr := lint.Path(p)
		found, err = append(found, some...), errors.Join(err, pathErr)
	}
	if errors.Is(err, lint.ErrNothing) || errors.Is(err, fs.ErrNotExist) {
		return &testbed.UsageError{Err: err}
	}
	if err != nil {
		return err
	}
	if g.output == "json" {
		out := []lintProblem{}
		for _, p := range found {
			out = append(out, lintProblem{p.File, p.Line, p.Column, p.Message})
		}
		if err := g.printJSON(out); err != nil {
			return err
		}
	} else if len(found) > 0 {
		fmt.Fprintln(g.stdout, printable.Text(found.Error()))
	} else {
		fmt.Fprintln(g.stdout, lang.T("no mistakes found", "오류가 없습니다"))
		g.sayEffects(paths)
	}
	if len(found) > 0 {
		return &exitStatus{exitFailed}
	}
	return nil
}

// sayEffects lists what labs and quizzes do, for whoever is going to start them.
func (g *globals) sayEffects(paths []string) {
	for _, p := range paths {
		if e, ok := lint.Runs(p); ok {
			lines := append([]string{lang.Textf("%s, when it is started:", "%s을(를) 시작하면 하는 일:", p).String()}, effectLines(e, nil)...)
			fmt.Fprintln(g.stdout, printable.Text(strings.Join(lines, "\n")))
		}
	}
}

func newLabNewCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "new NAME",
		Short: lang.T("Make the beginning of a new lab in a folder NAME", "새 실습의 뼈대를 NAME 폴더에 만들기"),
		Long: lang.T(
			"Makes a small lab that is complete: it lints, it can be started and proven, and every part of it can be changed.",
			"작지만 온전한 실습을 만듭니다. 그대로 lint를 통과하고, 시작하고 검증할 수 있으며, 어느 부분이든 고쳐 쓸 수 있습니다."),
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := skeleton.Write(".", args[0])
			if errors.Is(err, skeleton.ErrName) || errors.Is(err, fs.ErrExist) {
				return &testbed.UsageError{Err: err}
			}
			if err != nil {
				return err
			}
			g.print(lang.Textf(
				"%[1]s is there. From here:\n  nori lint %[1]s\n  nori lab start ./%[1]s\n  nori lab prove ./%[1]s",
				"%[1]s 폴더를 만들었습니다. 이제 이렇게 해 보세요.\n  nori lint %[1]s\n  nori lab start ./%[1]s\n  nori lab prove ./%[1]s", dir).String())
			return nil
		},
	}
}
