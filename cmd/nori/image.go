package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

func newImageCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "image",
		Short: lang.T("List container images, push one to the testbed's registry", "컨테이너 이미지 목록 보기, 테스트베드의 레지스트리에 올리기"),
	}
	g.groupOnly(c)
	c.AddCommand(g.outputFlag(&cobra.Command{
		Use: "list", Short: lang.T("List what the nodes and the registry have", "노드와 레지스트리에 있는 이미지 목록 보기"), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.listImages(c.Context()) },
	}), &cobra.Command{
		Use:   "push IMAGE|FILE.tar [NAME]",
		Short: lang.T("Push an image to the testbed's registry", "이미지를 테스트베드의 레지스트리에 올리기"),
		Long: lang.T(`Push an image to the testbed's registry: one that Noriter ships (see nori image
list), or an archive as "docker save" writes it. NAME is what nodes will pull
it by; without a registry in it, it goes to the open one.`,
			`이미지를 테스트베드의 레지스트리에 올립니다. Noriter에 들어 있는 이미지(nori image
list 참고)나 "docker save"로 만든 파일을 쓸 수 있습니다. NAME은 노드가 받을 때 쓰는
이름입니다. 이름에 레지스트리가 없으면 누구나 쓸 수 있는 레지스트리에 올립니다.`),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return g.usage("want an image or an archive, and perhaps a name: nori image push nginx:1.26 team/web:v1",
					"이미지나 파일을 하나, 필요하면 이름까지 지정하세요: nori image push nginx:1.26 team/web:v1")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return g.pushImage(c.Context(), args) },
	})
	return c
}

func (g *globals) listImages(ctx context.Context) error {
	t, bin, err := g.openWithPrograms(ctx)
	if err != nil {
		return err
	}
	found, err := t.Images(ctx, bin)
	if err != nil {
		return err
	}
	return g.show(found, func() {
		rows := [][]string{{lang.T("IMAGE", "이미지"), lang.T("WHERE", "위치"), lang.T("PLATFORM", "플랫폼"), lang.T("DIGEST", "다이제스트")}}
		for _, i := range found {
			where := lang.T("nodes", "노드")
			if i.Where == testbed.InRegistry {
				where = lang.T("registry", "레지스트리")
			}
			rows = append(rows, []string{i.Ref, where, i.Platform, shortDigest(i.Digest)})
		}
		printTable(g, rows)
	})
}

// openWithPrograms is open, and the folder of the programs that images are made of.
func (g *globals) openWithPrograms(ctx context.Context) (*testbed.Testbed, string, error) {
	t, bin, err := g.findWithPrograms()
	if err != nil {
		return nil, "", err
	}
	return t, bin, g.enter(ctx, t)
}

// shortDigest is as much of a digest as people compare.
func shortDigest(digest string) string {
	_, hex, ok := strings.Cut(digest, ":")
	if !ok || len(hex) < 12 {
		return digest
	}
	return hex[:12]
}

func (g *globals) pushImage(ctx context.Context, args []string) error {
	t, bin, err := g.openWithPrograms(ctx)
	if err != nil {
		return err
	}
	name := ""
	if len(args) == 2 {
		name = args[1]
	}
	ref, sent, err := t.PushImage(ctx, bin, args[0], name)
	if err != nil {
		return err
	}
	if !sent {
		g.tell("%s is there already", "%s은(는) 이미 있습니다", ref)
		return nil
	}
	g.tell("pushed %s", "%s을(를) 올렸습니다", ref)
	return nil
}
