package main

import (
	"strings"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/cheatsheets"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/screen"
)

func newCheatCommand(g *globals) *cobra.Command {
	choose := false
	c := &cobra.Command{
		Use:   "cheat [TOPIC]",
		Short: lang.T("Show a cheatsheet", "치트시트 보기"),
		Long: lang.T("Shows one page with the commands of a topic, or without a topic, which there are.\nEvery command on a page is tested on a real cluster.",
			"한 주제의 명령을 한 쪽에 모아 보여 줍니다. 주제를 지정하지 않으면 어떤 주제가 있는지 보여 줍니다.\n모든 명령은 실제 클러스터에서 시험한 것입니다."),
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeTopic,
		RunE: func(_ *cobra.Command, args []string) error { return g.cheat(args, choose) },
	}
	c.Flags().BoolVarP(&choose, "interactive", "i", false, lang.T("choose the topic from a list", "목록에서 주제 고르기"))
	return g.outputFlag(c)
}

// cheat needs no testbed: one may look something up anywhere.
func (g *globals) cheat(args []string, choose bool) error {
	pages, err := cheatsheets.LoadAll(cheatsheets.FS, lang.Current())
	if err != nil {
		return err
	}
	ui := g.screen()
	var page *cheatsheets.Page
	switch {
	case len(args) == 1 && choose:
		return g.usage("give a topic or -i, not both", "주제와 -i 가운데 하나만 쓰세요")
	case len(args) == 1:
		page, err = g.findTopic(pages, args[0])
	case choose:
		page, err = g.chooseTopic(ui, pages)
	case g.output == "json":
		return g.printJSON(pages)
	default:
		return ui.Topics(pages)
	}
	if err != nil {
		return err
	}
	if g.output == "json" {
		return g.printJSON(page)
	}
	return ui.Sheet(page)
}

func (g *globals) findTopic(pages []*cheatsheets.Page, topic string) (*cheatsheets.Page, error) {
	var topics []string
	for _, p := range pages {
		if p.Topic == cheatsheets.Topic(topic) {
			return p, nil
		}
		topics = append(topics, p.Topic)
	}
	list := strings.Join(topics, ", ")
	if near := strict.Nearest(topic, topics); near != "" {
		return nil, g.usage("there is no cheatsheet %q; did you mean %q? There are: %s",
			"%q(이)라는 치트시트는 없습니다. 혹시 %q인가요? 있는 치트시트: %s", topic, near, list)
	}
	return nil, g.usage("there is no cheatsheet %q; there are: %s", "%q(이)라는 치트시트는 없습니다. 있는 치트시트: %s", topic, list)
}

func (g *globals) chooseTopic(ui *screen.UI, pages []*cheatsheets.Page) (*cheatsheets.Page, error) {
	var labels []string
	for _, p := range pages {
		labels = append(labels, screen.TopicLabel(p))
	}
	n, err := g.choose(ui, lang.T("Which topic?", "어떤 주제를 볼까요?"), labels,
		"name a topic: nori cheat TOPIC", "주제를 지정하세요: nori cheat TOPIC")
	if err != nil {
		return nil, err
	}
	return pages[n], nil
}

// completeTopic offers the topics to shell completion.
func completeTopic(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	pages, err := cheatsheets.LoadAll(cheatsheets.FS, lang.Current())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var topics []string
	for _, p := range pages {
		topics = append(topics, p.Topic+"\t"+p.Summary)
	}
	return topics, cobra.ShellCompDirectiveNoFileComp
}
