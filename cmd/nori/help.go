package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
)

// inLanguage makes the help speak Korean where the learner does: cobra's own words
// around ours are English.
func inLanguage(root *cobra.Command) {
	if lang.Current() != lang.Korean {
		return
	}
	text := root.UsageTemplate()
	for _, w := range [][2]string{
		{"Usage:", "사용법:"}, {"Aliases:", "다른 이름:"}, {"Examples:", "예:"},
		{"Available Commands:", "명령:"}, {"Additional Commands:", "그 밖의 명령:"}, {"Additional help topics:", "그 밖의 도움말:"},
		{"Global Flags:", "공통 플래그:"}, {"Flags:", "플래그:"},
		{`Use "{{.CommandPath}} [command] --help" for more information about a command.`, "`{{.CommandPath}} COMMAND --help`로 명령마다 자세한 도움말을 볼 수 있습니다."},
	} {
		text = strings.Replace(text, w[0], w[1], 1)
	}
	// A flag's default is put behind its text by pflag.
	cobra.AddTemplateFunc("defaultInKorean", func(usages string) string { return strings.ReplaceAll(usages, "(default ", "(기본값: ") })
	root.SetUsageTemplate(strings.ReplaceAll(text, "FlagUsages |", "FlagUsages | defaultInKorean |"))
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Short, c.Long = "명령의 도움말 보기", "명령의 도움말을 보여 줍니다."
		case "completion":
			c.Short = "셸 자동 완성 스크립트 만들기"
		}
	}
	helpFlags(root)
}

// helpFlags puts the text of --help into Korean, for a command and those below.
func helpFlags(c *cobra.Command) {
	if !c.DisableFlagParsing && !slices.Contains([]string{"help", "completion"}, c.Name()) {
		c.InitDefaultHelpFlag()
		if f := c.Flags().Lookup("help"); f != nil {
			f.Usage = c.Name() + " 도움말"
		}
	}
	for _, sub := range c.Commands() {
		helpFlags(sub)
	}
}
