package screen

import (
	"errors"
	"strings"
	"testing"

	"github.com/AlecAivazis/survey/v2"
	"github.com/AlecAivazis/survey/v2/core"

	"noriter.dev/noriter/internal/lang"
)

// TestConfirmInKorean: what survey says by itself around a question is Korean where the
// question is, and English again where that is.
func TestConfirmInKorean(t *testing.T) {
	before := lang.Current()
	t.Cleanup(func() { lang.Set(before) })
	u := &UI{}
	icons := &survey.PromptConfig{}
	for _, c := range []struct{ language, yes, no, wrong string }{
		{lang.Korean, "예", "아니요", "y나 n으로 대답하세요"},
		{lang.English, "Yes", "No", "Sorry, your reply was invalid: not so"},
	} {
		lang.Set(c.language)
		u.prepareSurvey()
		for answer, want := range map[string]string{"Yes": c.yes, "No": c.no} {
			shown, _, err := core.RunTemplate(survey.ConfirmQuestionTemplate, survey.ConfirmTemplateData{Answer: answer, Config: icons})
			if err != nil || strings.TrimSpace(shown) != want {
				t.Errorf("%s: %q, %v; want %q", c.language, shown, err, want)
			}
		}
		shown, _, err := core.RunTemplate(survey.ErrorTemplate, &survey.ErrorTemplateData{Error: errors.New("not so")})
		if err != nil || strings.TrimSpace(shown) != c.wrong {
			t.Errorf("%s: %q, %v; want %q", c.language, shown, err, c.wrong)
		}
	}
}
