package main

import (
	"context"
	"fmt"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/provision/preflight"
	"noriter.dev/noriter/testbed"
)

func newDoctorCommand(g *globals) *cobra.Command {
	var fix bool
	driver := testbed.Auto
	c := &cobra.Command{
		Use:   "doctor",
		Short: lang.T("Check this host; each failure names its remedy", "이 호스트를 점검하고 문제마다 해결책 알려 주기"),
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return g.doctor(c.Context(), driver, fix) },
	}
	c.Flags().BoolVar(&fix, "fix", false, lang.T("apply the remedies that can be applied", "적용할 수 있는 해결책을 적용"))
	c.Flags().StringVar(&driver, "driver", driver, lang.T("check for this driver alone: ", "이 드라이버만 점검: ")+testbed.DriverChoices().String())
	g.outputFlag(c)
	return c
}

// finding is one line of the doctor's report.
type finding struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Status string `json:"status"`
	Seen   string `json:"seen,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	Fixed  bool   `json:"fixed,omitempty"`
}

func (g *globals) doctor(ctx context.Context, driver string, fix bool) error {
	home, err := testbed.FindHome()
	if err != nil {
		return err
	}
	o, err := testbed.PreflightFor(home, driver, g.name)
	if err != nil {
		return err
	}
	if t, err := g.find(); err == nil {
		o = t.Preflight()
	}
	var findings []finding
	bad := false
	for _, check := range preflight.All(o) {
		r := check.Run(ctx)
		f := finding{ID: check.ID, Title: check.Title.String(), Status: string(r.Status), Seen: r.Seen.String(), Remedy: r.Remedy}
		if fix && r.Fix != nil && r.Status != preflight.OK {
			if err := r.Fix(ctx); err != nil {
				f.Seen += "; " + err.Error()
			} else if again := check.Run(ctx); again.Status == preflight.OK {
				f.Status, f.Seen, f.Fixed = string(again.Status), again.Seen.String(), true
			}
		}
		bad = bad || f.Status == string(preflight.Fail)
		findings = append(findings, f)
	}
	if err := g.show(findings, func() { g.printFindings(findings) }); err != nil {
		return err
	}
	if bad {
		return &exitStatus{exitHost}
	}
	return nil
}

func (g *globals) printFindings(findings []finding) {
	for _, f := range findings {
		mark := color.GreenString("ok  ")
		switch preflight.Status(f.Status) {
		case preflight.Warn:
			mark = color.YellowString("warn")
		case preflight.Fail:
			mark = color.RedString("FAIL")
		}
		if f.Fixed {
			f.Seen += lang.T(" (fixed)", " (해결함)")
		}
		fmt.Fprintf(g.stdout, "%s %s: %s\n", mark, f.Title, g.typable(printable.Text(lang.Particles(f.Seen))))
		if preflight.Status(f.Status) != preflight.OK && f.Remedy != "" {
			fmt.Fprintf(g.stdout, "     %s %s\n", lang.T("remedy:", "해결책:"), g.typable(f.Remedy))
		}
	}
}
