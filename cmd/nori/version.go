package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/version"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/testbed"
)

func newVersionCommand(g *globals) *cobra.Command {
	return g.outputFlag(&cobra.Command{
		Use:   "version",
		Short: lang.T("Show the versions of nori, its parts and its testbeds", "nori와 컴포넌트, 테스트베드의 버전 보기"),
		Long: lang.T(`Shows which nori this is, which Kubernetes its control plane speaks, the versions of
what it is made of, the machine image that it uses, and which nori made each testbed
and brought the programs that run on its machines.`,
			`이 nori의 버전, 컨트롤 플레인이 따르는 쿠버네티스 버전, 컴포넌트의 버전, 사용하는 머신
이미지를 보여 줍니다. 테스트베드마다 어느 nori가 만들었고 머신에서 어느 nori의 프로그램이
돌고 있는지도 보여 줍니다.`),
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v, err := versions()
			if err != nil {
				return err
			}
			return g.show(v, func() { g.printVersions(v) })
		},
	})
}

// shortVersion is what `nori --version` prints.
func shortVersion() string {
	return fmt.Sprintf("nori %s (Kubernetes %s)", build.Version(), version.Get().GitVersion)
}

// versionFlag gives the root command --version.
func versionFlag(root *cobra.Command) {
	root.Version = shortVersion()
	root.SetVersionTemplate("{{.Version}}\n")
	root.Flags().Bool("version", false, lang.T("print the version", "버전 출력"))
}

// versionInfo is what `nori version -o json` prints.
type versionInfo struct {
	Nori       string            `json:"nori"`
	Go         string            `json:"go"`
	Kubernetes string            `json:"kubernetes"`
	Parts      []part            `json:"parts"`
	Image      imageVersion      `json:"image"`
	Testbeds   []testbed.Version `json:"testbeds"`
}

// part is something that nori is made of.
type part struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// imageVersion is the machine image that this nori uses.
type imageVersion struct {
	ID     string `json:"id"`
	Cached bool   `json:"cached"`
	Suite  string `json:"suite,omitempty"`
	Kernel string `json:"kernel,omitempty"`
	// MadeBy is the nori that built it; one before format numbers did not say so.
	MadeBy string `json:"madeBy,omitempty"`
}

// modules are the parts that are libraries, and the program beside nori that has each.
var modules = []struct{ name, program, module string }{
	{"etcd", "nori-control", "go.etcd.io/etcd/server/v3"},
	{"registry", "nori-control", "github.com/distribution/distribution/v3"},
	{"CoreDNS", "coredns", "github.com/coredns/coredns"},
}

// packaged are the parts that come as Debian's packages with the machine image.
var packaged = []string{"containerd", "runc", "systemd"}

func versions() (versionInfo, error) {
	v := versionInfo{Nori: build.Version(), Go: runtime.Version(), Kubernetes: version.Get().GitVersion}
	home, err := testbed.FindHome()
	if err != nil {
		return v, err
	}
	for _, m := range modules {
		if found := moduleVersion(m.program, m.module); found != "" {
			v.Parts = append(v.Parts, part{m.name, found})
		} else if m.name == "CoreDNS" {
			v.Parts = append(v.Parts, part{m.name, "v" + images.CoreDNSVersion})
		}
	}
	img, cached := image.Find(home.Cache())
	v.Image = imageVersion{ID: img.ID, Cached: cached}
	if m, err := img.Manifest(); err == nil {
		v.Image.Suite, v.Image.Kernel, v.Image.MadeBy = m.Suite, m.Kernel, m.Nori
		for _, name := range packaged {
			for _, p := range m.Packages {
				if found, ok := strings.CutPrefix(p, name+" "); ok {
					v.Parts = append(v.Parts, part{name, found})
				}
			}
		}
	}
	v.Testbeds, err = home.Versions()
	return v, err
}

// moduleVersion looks into a program that lies beside this one.
func moduleVersion(program, module string) string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	info, err := buildinfo.ReadFile(filepath.Join(filepath.Dir(self), program))
	if err != nil {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return m.Version
		}
	}
	return ""
}

func (g *globals) printVersions(v versionInfo) {
	rows := [][]string{{"nori", v.Nori}, {"Go", v.Go}, {"Kubernetes", v.Kubernetes}}
	for _, p := range v.Parts {
		rows = append(rows, []string{p.Name, p.Version})
	}
	printTable(g, append(rows, []string{lang.T("machine image", "머신 이미지"), v.Image.text().String()}))
	if len(v.Testbeds) == 0 {
		return
	}
	fmt.Fprintln(g.stdout)
	rows = [][]string{{lang.T("TESTBED", "테스트베드"), lang.T("MADE BY", "만든 nori"), lang.T("PROGRAMS OF", "프로그램의 nori"), lang.T("MACHINE IMAGE", "머신 이미지")}}
	for _, t := range v.Testbeds {
		rows = append(rows, []string{t.Name, orOlder(t.MadeBy), orOlder(t.Programs), orDash(t.ImageID)})
	}
	printTable(g, rows)
}

func (i imageVersion) text() lang.Text {
	if !i.Cached {
		return lang.Textf("%s, which `nori up` builds", "%s, `nori up`이 만듦", i.ID)
	}
	by := lang.Text{EN: "an older nori", KO: "이전 nori"}
	if i.MadeBy != "" {
		by = lang.Textf("nori %s", "nori %s", i.MadeBy)
	}
	return lang.Textf("%s (Debian %s, Linux %s), built by %s", "%s (데비안 %s, 리눅스 %s), %s이(가) 만듦", i.ID, i.Suite, i.Kernel, by)
}

// orOlder names a nori that did not say which it is.
func orOlder(nori string) string {
	if nori == "" {
		return lang.T("an older one", "이전 것")
	}
	return nori
}
