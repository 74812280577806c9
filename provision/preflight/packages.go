package preflight

import (
	"context"
	"errors"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/distro"
)

// release is this host's distribution.
func (p Prober) release() distro.Release { return distro.Of(p.Host.Root) }

// Remedy is the command that installs what is needed, in the words of this host's
// distribution.
func (p Prober) Remedy(needs ...string) string {
	return p.release().Remedy(p.Host.EUID == 0, needs...)
}

// Program looks for a program and names the command that installs it.
func (p Prober) Program(name string) Result { return p.Programs(name) }

// Programs looks for programs, and names one command that installs all that are
// missing.
func (p Prober) Programs(names ...string) Result {
	var missing []string
	at := ""
	for _, name := range names {
		path, err := p.Host.Look(name)
		if err != nil {
			missing = append(missing, name)
		}
		at = path
	}
	switch {
	case len(missing) > 0:
		list := joined(missing)
		r := Failed(p.Remedy(missing...), list.EN+notInstalled(len(missing)), list.KO+"이(가) 설치되어 있지 않습니다")
		r.Fix = p.Install(missing...)
		return r
	case len(names) == 1:
		return Passed(at, at)
	}
	return Passed("installed", "설치되어 있습니다")
}

func notInstalled(n int) string {
	if n == 1 {
		return " is not installed"
	}
	return " are not installed"
}

// joined is a list for people: "a, b and c".
func joined(words []string) lang.Text {
	t := lang.Text{EN: words[0], KO: words[0]}
	for i, w := range words[1:] {
		if i == len(words)-2 {
			t.EN += " and " + w
		} else {
			t.EN += ", " + w
		}
		t.KO += ", " + w
	}
	return t
}

// Install gives the repair that installs what is needed, or nil where the
// distribution's packages are not known, its program is not there, or there is no
// right to use it.
func (p Prober) Install(needs ...string) func(context.Context) error {
	f, ok := p.release().Family()
	names := f.Packages(needs...)
	if _, err := p.Host.Look(f.Manager); !ok || err != nil || p.Host.EUID != 0 || len(names) == 0 {
		return nil
	}
	return func(ctx context.Context) error {
		args := append(append([]string{}, f.Install...), names...)
		first := p.Host.Run(ctx, f.Manager, args...)
		if first == nil {
			return nil
		}
		if err := p.Host.Run(ctx, f.Manager, f.Refresh...); err != nil { // old lists name files that are gone
			return errors.Join(first, err)
		}
		return p.Host.Run(ctx, f.Manager, args...)
	}
}
