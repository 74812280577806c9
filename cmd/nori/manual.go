package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/lang"
)

// newManualCommand writes the manual pages that a package brings along. It is for who
// makes the package, and so no help lists it.
func newManualCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:    "manual DIR",
		Short:  lang.T("Write the manual pages into a folder", "설명서 페이지를 폴더에 쓰기"),
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(_ *cobra.Command, args []string) error { return g.writeManual(args[0]) },
	}
}

// writeManual writes a page for each command, in the language that was chosen. It
// makes the commands anew, as one that runs has been changed by running.
func (g *globals) writeManual(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return lang.Errorf("writing the manual: %w", "설명서 쓰기: %w", err)
	}
	root := newRootCommand(newGlobals())
	root.DisableAutoGenTag = true
	header := doc.GenManHeader{Source: "noriter " + build.Version(), Manual: lang.T("Noriter", "놀이터")}
	if err := doc.GenManTree(root, &header, dir); err != nil {
		return lang.Errorf("writing the manual: %w", "설명서 쓰기: %w", err)
	}
	return inManualLanguage(dir)
}

// manualHeadings are cobra's headings, and what Korean pages call them.
var manualHeadings = strings.NewReplacer(
	".SH NAME\n", ".SH 이름\n", ".SH SYNOPSIS\n", ".SH 사용법\n", ".SH DESCRIPTION\n", ".SH 설명\n",
	".SH OPTIONS INHERITED FROM PARENT COMMANDS\n", ".SH 공통 옵션\n", ".SH OPTIONS\n", ".SH 옵션\n",
	".SH SEE ALSO\n", ".SH 함께 보기\n",
)

// inManualLanguage puts the headings of the pages into Korean, if that was chosen.
func inManualLanguage(dir string) error {
	if lang.Current() != lang.Korean {
		return nil
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err == nil {
			err = os.WriteFile(page, []byte(manualHeadings.Replace(string(text))), 0o644)
		}
		if err != nil {
			return lang.Errorf("writing the manual: %w", "설명서 쓰기: %w", err)
		}
	}
	return nil
}
