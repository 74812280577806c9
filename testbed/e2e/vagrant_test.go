package e2e

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// needTool skips a test where a program is missing; in CI that is a failure.
func needTool(t *testing.T, name string) {
	t.Helper()
	if os.Getenv("NORI_E2E") == "" {
		t.Skip("set NORI_E2E=1 (make test does)")
	}
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("%s is not installed", name)
	}
}

// vagrantfile is what the file tells a Vagrant on a host with such a processor.
type vagrantfile struct {
	VM        struct{ Box string }
	Providers map[string]struct {
		Memory, CPUs int
		Override     struct{ Box string }
		VMX          map[string]string
		Customize    [][]string
		Nested       bool
	}
	Scripts []string
}

func readVagrantfile(t *testing.T, processor string) vagrantfile {
	t.Helper()
	out, err := exec.Command("ruby", "testdata/vagrantfile.rb", filepath.Join(repo(t), "Vagrantfile"), processor).CombinedOutput()
	var v vagrantfile
	if err == nil {
		err = json.Unmarshal(out, &v)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return v
}

// TestVagrantfile lets Vagrant itself read the file.
func TestVagrantfile(t *testing.T) {
	needTool(t, "vagrant")
	c := exec.Command("vagrant", "validate", "--ignore-provider")
	c.Dir = repo(t)
	c.Env = append(os.Environ(), "VAGRANT_HOME="+t.TempDir(), "VAGRANT_CHECKPOINT_DISABLE=1", "VAGRANT_DOTFILE_PATH="+t.TempDir())
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "validated successfully") {
		t.Errorf("vagrant validate: %v\n%s", err, out)
	}
}

// TestVagrantfileProviders: each provider gets a box that there is for it, what README.md
// says is needed, and a nested processor where it can have one.
func TestVagrantfileProviders(t *testing.T) {
	needTool(t, "ruby")
	// Debian's own box is there for libvirt and VirtualBox on amd64, Bento's for all
	// but libvirt, on both.
	boxes := map[string][]string{
		"libvirt": {"debian/bookworm64"}, "virtualbox": {"bento/debian-12"}, "parallels": {"bento/debian-12"},
		"vmware_desktop": {"bento/debian-12"}, "vmware_fusion": {"bento/debian-12"},
	}
	for processor, nests := range map[string]bool{"x86_64": true, "arm64": false, "aarch64": false} {
		v := readVagrantfile(t, processor)
		for name, known := range boxes {
			p, ok := v.Providers[name]
			box := p.Override.Box
			if box == "" {
				box = v.VM.Box
			}
			memory := p.Memory
			if p.VMX["memsize"] == "8192" {
				memory = 8192
			}
			if !ok || !slices.Contains(known, box) || memory < 4096 {
				t.Errorf("%s on %s: box %q, %d MiB; want one of %v and 4 GiB", name, processor, box, memory, known)
			}
			nested := p.VMX["vhv.enable"] == "TRUE"
			for _, c := range p.Customize {
				nested = nested || strings.Contains(strings.Join(c, " "), "nested")
			}
			if name != "libvirt" && nested != nests {
				t.Errorf("%s on %s: nested is %v", name, processor, nested)
			}
		}
		if len(v.Providers) != len(boxes) {
			t.Errorf("there are %d providers, %d of them known to this test", len(v.Providers), len(boxes))
		}
	}
}

// TestRuby has a linter read what is written in Ruby.
func TestRuby(t *testing.T) {
	needTool(t, "rubocop")
	c := exec.Command("rubocop", "--force-default-config", "--cache", "false", "--only", "Lint,Security,Layout,Naming",
		"Vagrantfile", "testbed/e2e/testdata/vagrantfile.rb")
	c.Dir = repo(t)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("rubocop: %v\n%s", err, out)
	}
}

// TestShellScripts has one read what is written for shells: what a Vagrant machine is
// set up by, and our own scripts.
func TestShellScripts(t *testing.T) {
	needTool(t, "shellcheck")
	lint := func(name, shell, script string) {
		c := exec.Command("shellcheck", "--severity=warning", "--external-sources", "--shell="+shell, "-")
		c.Dir = repo(t)
		c.Stdin = strings.NewReader(script)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	v := readVagrantfile(t, "x86_64")
	if len(v.Scripts) == 0 {
		t.Error("the Vagrantfile sets nothing up")
	}
	for _, s := range v.Scripts {
		lint("the Vagrantfile's script", "bash", s)
	}
	read := 0
	look := func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		first, _, _ := strings.Cut(string(data), "\n")
		shell := "bash"
		switch {
		case strings.HasPrefix(first, "#!") && strings.HasSuffix(first, "bash"):
		case strings.HasPrefix(first, "#!/bin/sh"), strings.HasSuffix(file, ".sh"): // what is sourced by both names none
			shell = "sh"
		default:
			return err // another language's, or a text
		}
		lint(file, shell, string(data))
		read++
		return err
	}
	for _, dir := range []string{".ci", filepath.Join("testbed", "conformance")} {
		if err := filepath.WalkDir(filepath.Join(repo(t), dir), look); err != nil {
			t.Error(err)
		}
	}
	if read < 8 {
		t.Errorf("only %d scripts were found", read)
	}
}
