package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"noriter.dev/noriter/internal/lang"
)

// inLanguage makes the help speak Korean where the learner does: cobra's own words
// around ours are English.
func inLanguage(root *cobra.Command) {
	if lang.Current() != lang.Korean {
		return
	}
	text := replaceEach(root.UsageTemplate(), [][2]string{
		{"Usage:", "사용법:"}, {"Aliases:", "다른 이름:"}, {"Examples:", "예:"},
		{"Available Commands:", "명령:"}, {"Additional Commands:", "그 밖의 명령:"}, {"Additional help topics:", "그 밖의 도움말:"},
		{"Global Flags:", "공통 플래그:"}, {"Flags:", "플래그:"},
		{`Use "{{.CommandPath}} [command] --help" for more information about a command.`, "`{{.CommandPath}} COMMAND --help`로 명령마다 자세한 도움말을 볼 수 있습니다."},
	})
	// A flag's default is put behind its text by pflag.
	cobra.AddTemplateFunc("defaultInKorean", func(usages string) string { return strings.ReplaceAll(usages, "(default ", "(기본값: ") })
	root.SetUsageTemplate(strings.ReplaceAll(text, "FlagUsages |", "FlagUsages | defaultInKorean |"))
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Short, c.Long = "명령의 도움말 보기", "명령의 도움말을 보여 줍니다."
		case "completion":
			completionInKorean(c)
		}
	}
	helpFlags(root)
}

// replaceEach replaces the first of each text in another.
func replaceEach(text string, pairs [][2]string) string {
	for _, p := range pairs {
		text = strings.Replace(text, p[0], p[1], 1)
	}
	return text
}

// completionInKorean puts the help of cobra's own command into Korean, and leaves the
// command lines in it as they are.
func completionInKorean(c *cobra.Command) {
	c.Short = "셸 자동 완성 스크립트 만들기"
	c.Long = "셸마다 자동 완성 스크립트를 만듭니다.\n쓰는 방법은 셸 이름을 붙여 도움말을 보면 나옵니다.\n"
	for _, sub := range c.Commands() {
		sub.Short = sub.Name() + "용 자동 완성 스크립트 만들기"
		sub.Long = replaceEach(sub.Long, [][2]string{
			{"Generate the autocompletion script for the " + sub.Name() + " shell.", sub.Short + "."},
			{"Generate the autocompletion script for " + sub.Name() + ".", sub.Short + "."},
			{"This script depends on the 'bash-completion' package.\nIf it is not installed already, you can install it via your OS's package manager.",
				"이 스크립트에는 bash-completion 패키지가 필요합니다.\n없으면 운영체제의 패키지 관리자로 설치하세요."},
			{"If shell completion is not already enabled in your environment you will need\nto enable it.  You can execute the following once:",
				"셸의 자동 완성이 꺼져 있으면 먼저 켜야 합니다. 다음을 한 번 실행하세요."},
			{"To load completions in your current shell session:", "지금 셸에서 쓰려면:"},
			{"To load completions for every new session, execute once:", "새로 여는 셸마다 쓰려면 한 번 실행하세요."},
			{"To load completions for every new session, add the output of the above command\nto your powershell profile.",
				"새로 여는 셸마다 쓰려면 위 명령의 출력을 powershell 프로파일에 추가하세요."},
			{"You will need to start a new shell for this setup to take effect.", "새 셸을 열어야 적용됩니다."},
		})
		if f := sub.Flags().Lookup("no-descriptions"); f != nil {
			f.Usage = "설명 없이 완성"
		}
	}
}

// helpFlags puts the text of --help into Korean, for a command and those below.
func helpFlags(c *cobra.Command) {
	if !c.DisableFlagParsing {
		c.InitDefaultHelpFlag()
		if f := c.Flags().Lookup("help"); f != nil {
			f.Usage = c.Name() + " 도움말"
		}
	}
	for _, sub := range c.Commands() {
		helpFlags(sub)
	}
}

// flagError says in both languages what is wrong with a flag that was typed: pflag's own
// errors are English, and some speak of Go.
func flagError(err error) error {
	var unknown *pflag.NotExistError
	var empty *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	var syntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return lang.Errorf("there is no flag -%.1s (in -%[1]s)", "-%.1s 플래그는 없습니다 (-%[1]s에서)", unknown.GetSpecifiedShortnames())
	case errors.As(err, &unknown):
		return lang.Errorf("there is no flag --%s", "--%s 플래그는 없습니다", unknown.GetSpecifiedName())
	case errors.As(err, &empty):
		return lang.Errorf("%s needs a value", "%s 플래그에는 값이 필요합니다", dashed(empty.GetFlag()))
	case errors.As(err, &invalid):
		return lang.Errorf("%s: %q won't do: %s", "%s: %q은(는) 쓸 수 없습니다. %s", dashed(invalid.GetFlag()), invalid.GetValue(), wanted(invalid))
	case errors.As(err, &syntax):
		return lang.Errorf("%s is no flag", "%s은(는) 플래그가 아닙니다", syntax.GetSpecifiedFlag())
	}
	return err
}

func dashed(f *pflag.Flag) string { return "--" + f.Name }

// wanted is what a flag takes.
func wanted(e *pflag.InvalidValueError) lang.Text {
	switch e.GetFlag().Value.Type() {
	case "int", "int64", "uint64", "uint":
		return lang.Text{EN: "a whole number is wanted", KO: "정수여야 합니다"}
	case "bool":
		return lang.Text{EN: "true or false is wanted", KO: "true나 false여야 합니다"}
	case "duration":
		return lang.Text{EN: "a time such as 90s or 10m is wanted", KO: "90s나 10m 같은 시간이어야 합니다"}
	}
	return lang.Text{EN: e.Unwrap().Error(), KO: e.Unwrap().Error()}
}
