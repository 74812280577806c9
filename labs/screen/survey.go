package screen

import (
	"strings"

	"github.com/AlecAivazis/survey/v2"
	"github.com/AlecAivazis/survey/v2/core"

	"noriter.dev/noriter/internal/lang"
)

// The prompts of survey as they come, before they are put into a language.
var (
	selectTemplate  = survey.SelectQuestionTemplate
	multiTemplate   = survey.MultiSelectQuestionTemplate
	confirmTemplate = survey.ConfirmQuestionTemplate
	inputTemplate   = survey.InputQuestionTemplate
	errorTemplate   = survey.ErrorTemplate
)

// prepareSurvey makes survey speak the learner's language, within 60 columns,
// and in colour only where that is wanted. Survey keeps templates by their
// text, with the colour they were first used with: hence the mark.
func (u *UI) prepareSurvey() {
	core.DisableColor = !u.Color
	mark := "{{/* colour */}}"
	if !u.Color {
		mark = "{{/* no colour */}}"
	}
	arrows := lang.T("[arrows, Enter]", "[화살표 키, 엔터]")
	marks := lang.T("[arrows; space marks; Enter]", "[화살표 키, 스페이스로 표시, 엔터]")
	// What was chosen is shown by whoever asked, in lines that fit.
	answer := `{{color "cyan"}} {{.Answer}}{{color "reset"}}`
	survey.SelectQuestionTemplate = mark + strings.ReplaceAll(between(selectTemplate, "[Use arrows", "]", arrows), answer, "")
	survey.MultiSelectQuestionTemplate = mark + strings.ReplaceAll(between(multiTemplate, "[Use arrows", "]", marks), answer, "")
	survey.ConfirmQuestionTemplate = mark + confirmTemplate
	survey.InputQuestionTemplate = mark + inputTemplate
	survey.ErrorTemplate = mark + errorTemplate
	if lang.Current() == lang.Korean {
		// Only a question of yes or no finds an answer wrong by itself.
		survey.ConfirmQuestionTemplate = strings.ReplaceAll(survey.ConfirmQuestionTemplate,
			`{{.Answer}}`, `{{if eq .Answer "Yes"}}예{{else}}아니요{{end}}`)
		survey.ErrorTemplate = strings.ReplaceAll(survey.ErrorTemplate,
			`Sorry, your reply was invalid: {{ .Error.Error }}`, `y나 n으로 대답하세요`)
	}
}

// between replaces the part of a text from one mark up to the last of another
// on the same line.
func between(text, from, to, by string) string {
	start := strings.Index(text, from)
	if start < 0 {
		return text
	}
	end := start + strings.Index(text[start:]+"\n", "\n")
	stop := strings.LastIndex(text[start:end], to)
	if stop < 0 {
		return text
	}
	return text[:start] + by + text[start+stop+len(to):]
}
