package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/fatih/color"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/testbed"
)

// globals are the flags and streams that all commands share.
type globals struct {
	name, lang, output string
	plain, noColor     bool
	// command is what was typed, such as "node add".
	command string
	// link says that this program was called as kubectl.
	link bool
	// entered is the testbed whose namespace this program was run again in.
	entered string
	// trust agrees to a lab from elsewhere without a question.
	trust bool
	// own finds our commands in a text, and called is what to call this program where sudo
	// has run it again.
	own    *regexp.Regexp
	called string
	// bed is the testbed of labs, once it is open.
	bed *testbed.Testbed

	stdin          io.Reader
	stdout, stderr io.Writer
}

func newGlobals() *globals {
	return &globals{entered: told(enteredVariable), called: told(calledVariable), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
}

func newRootCommand(g *globals) *cobra.Command {
	root := &cobra.Command{
		Use:   "nori",
		Short: lang.T("A playground for Kubernetes on real machines", "실제 머신 위에서 쿠버네티스를 배우는 놀이터"),
		Long: lang.T(
			"Noriter gives you a Kubernetes cluster of real machines that you can see through,\nbreak, and put back in seconds.",
			"놀이터(Noriter)는 실제 머신으로 된 쿠버네티스 클러스터를 만들어 줍니다.\n속까지 들여다보고, 망가뜨리고, 몇 초 만에 되돌릴 수 있습니다."),
		SilenceErrors: true,
		SilenceUsage:  true,
		// Flags before `kubectl` are ours, those behind it are kubectl's.
		TraverseChildren: true,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			// What client libraries log would tear the screen; errors come back
			// to us and are printed once. The kubectl command doesn't pass here.
			klog.SetLogger(klog.Logger{})
			return g.settle(c)
		},
	}
	g.groupOnly(root)
	versionFlag(root)
	f := root.PersistentFlags()
	f.StringVar(&g.name, "name", "", lang.T("name of the testbed (default: the only one there is, or \"noriter\")", "테스트베드 이름 (기본값: 하나뿐이면 그것, 아니면 \"noriter\")"))
	f.StringVar(&g.lang, "lang", "", lang.T("language of the texts: en or ko (default: from LANG)", "표시 언어: en 또는 ko (기본값: LANG에 따름)"))
	f.BoolVar(&g.plain, "plain", false, lang.T("plain lines: no redrawing, numbered choices", "단순 출력: 화면을 다시 그리지 않고, 번호로 고름"))
	f.BoolVar(&g.noColor, "no-color", false, lang.T("no colour", "색상 없이 출력"))
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return g.usage("%w\n      see `%s --help`", "%w\n      `%s --help`를 참고하세요", flagError(err), c.CommandPath())
	})
	root.AddCommand(newQuizCommand(g))
	root.AddCommand(
		newUpCommand(g), newDownCommand(g), newStatusCommand(g), newDoctorCommand(g),
		newSSHCommand(g), newKubectlCommand(g), newShellCommand(g), newOpenCommand(g),
		newLabCommand(g), newSnapshotCommand(g), newResetCommand(g), newLintCommand(g), newNodeCommand(g),
		newFaultCommand(g),
		newCheatCommand(g), newImageCommand(g), newReportCommand(g), newPruneCommand(g), newVersionCommand(g), newManualCommand(g),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		g.groupOnly(c) // a shell that it doesn't know would show the help
	}
	inLanguage(root)
	g.countArguments(root)
	g.own = ownCommands(root)
	return root
}

// groupOnly makes a command that only holds others show its help, and take any
// other word for the mistake that it is.
func (g *globals) groupOnly(c *cobra.Command) {
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		var names []string
		for _, sub := range c.Commands() {
			names = append(names, sub.Name())
		}
		return g.usage("%s has no command %q%s\n      see `%s --help`", "%s에 %q(이)라는 명령은 없습니다%s\n      `%s --help`를 참고하세요",
			c.CommandPath(), args[0], strict.DidYouMean(args[0], names), c.CommandPath())
	}
	c.Args = cobra.ArbitraryArgs
}

// countArguments makes too few or too many arguments of a command, and of all
// those below it, the usage error that they are.
func (g *globals) countArguments(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			var said *testbed.UsageError
			if err == nil || errors.As(err, &said) {
				return err
			}
			return g.usage("wrong number of arguments (%d)\n      usage: %s\n      see `%s --help`",
				"인자의 개수(%d개)가 맞지 않습니다\n      사용법: %s\n      `%s --help`를 참고하세요", len(args), c.UseLine(), c.CommandPath())
		}
	}
	for _, sub := range c.Commands() {
		g.countArguments(sub)
	}
}

// settle makes the shared flags take effect.
func (g *globals) settle(c *cobra.Command) error {
	g.command = commandName(c)
	switch g.lang {
	case "":
	case lang.English, lang.Korean:
		lang.Set(g.lang)
	default:
		return g.usage("--lang: %q is neither en nor ko", "--lang: %q은(는) en도 ko도 아닙니다", g.lang)
	}
	if os.Getenv("NO_COLOR") != "" || !g.terminal() {
		g.noColor = true
	}
	if g.noColor {
		color.NoColor = true
	}
	if g.output != "" && g.output != "json" {
		return g.usage("-o: %q is not known; json is", "-o: %q은(는) 쓸 수 없습니다. json을 쓰세요", g.output)
	}
	if c != nil && g.name == "" && c.Flags().Changed("name") {
		return g.usage("--name is empty: give a testbed's name, or leave --name out (a variable of a script may be unset)",
			"--name이 비어 있습니다. 테스트베드 이름을 주거나 --name을 빼세요 (스크립트의 변수가 비어 있을 수 있습니다)")
	}
	if g.name == "" {
		g.name = os.Getenv("NORI_TESTBED")
	}
	if g.name != "" {
		if err := testbed.ValidateName(g.name); err != nil {
			return g.usage("--%w", "--%w", err)
		}
	}
	return nil
}

// commandName is a command's without that of the program; kubectl's are its own.
func commandName(c *cobra.Command) string {
	if c == nil {
		return "kubectl"
	}
	_, name, _ := strings.Cut(c.CommandPath(), " ")
	return name
}

// terminal says that a person looks at standard output.
func (g *globals) terminal() bool {
	f, ok := g.stdout.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb"
}

// interactive says that a person can also be asked.
func (g *globals) interactive() bool {
	f, ok := g.stdin.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && g.terminal()
}

// tell writes a line to stderr: what is being done, or was.
func (g *globals) tell(en, ko string, args ...any) {
	fmt.Fprintln(g.stderr, g.typable(lang.Textf(en, ko, args...).String()))
}

// print writes a line of what was asked for.
func (g *globals) print(text string) { fmt.Fprintln(g.stdout, g.typable(text)) }

// usage is a mistake in what was typed; the command ends with exit code 2.
func (g *globals) usage(en, ko string, args ...any) error {
	return &testbed.UsageError{Err: lang.Errorf(en, ko, args...)}
}

// open finds the testbed that is meant, and goes into its namespace: without
// --name, and with one testbed on this host, that one is meant.
func (g *globals) open(ctx context.Context) (*testbed.Testbed, error) {
	t, err := g.find()
	if err != nil {
		return nil, err
	}
	return t, g.enter(ctx, t)
}

// find is open without going into the namespace.
func (g *globals) find() (*testbed.Testbed, error) {
	home, err := testbed.FindHome()
	if err != nil {
		return nil, err
	}
	if err := g.becomeRoot(home); err != nil {
		return nil, err
	}
	name, err := g.meant(home)
	if err != nil {
		return nil, err
	}
	return testbed.Open(home, name)
}

// findWithPrograms is find, and the folder of the programs that go to the machines.
func (g *globals) findWithPrograms() (t *testbed.Testbed, bin string, err error) {
	if t, err = g.find(); err != nil {
		return nil, "", err
	}
	bin, err = binDir()
	return t, bin, err
}

// meant is the name of the testbed that is meant.
func (g *globals) meant(home testbed.Home) (string, error) {
	if g.name != "" {
		return g.name, nil
	}
	return home.Meant()
}

// commandLine is that of this process, for others to see.
func commandLine() string { return "nori " + strings.Join(os.Args[1:], " ") }

// binDir is where this program lies, with those that go to the machines.
func binDir() (string, error) {
	self, err := thisProgram()
	if err != nil {
		return "", err
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return "", lang.Errorf("looking for this program's folder: %w", "이 프로그램의 폴더 찾기: %w", err)
	}
	dir := filepath.Dir(self)
	for _, p := range []string{"nori-control", "nori-node"} {
		if _, err := os.Stat(filepath.Join(dir, p)); err != nil {
			return "", lang.Errorf("%s must lie beside nori; `make build` puts it there: %w",
				"%s이(가) nori와 같은 폴더에 있어야 합니다. `make build`로 만드세요: %w", p, err)
		}
	}
	return dir, nil
}

// thisProgram is where this program was started from.
func thisProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", lang.Errorf("looking for this program: %w", "이 프로그램의 위치 찾기: %w", err)
	}
	return self, nil
}

// waitingFor tells that another process has the testbed.
func (g *globals) waitingFor(holder string) {
	// The holder names itself by what it does, which nobody is to type.
	fmt.Fprintln(g.stderr, lang.Textf("waiting for %s, which is at work on this testbed", "이 테스트베드에서 작업 중인 %s을(를) 기다립니다", holder))
}

// errNoRoot is a host on which this user can't become root.
func errNoRoot() error {
	return &machine.HostError{
		What: lang.T("this needs root", "root 권한이 필요합니다"),
		Remedy: lang.Textf("run it with sudo, or with --driver %s as one whom the host's service lets in",
			"sudo로 실행하거나, 호스트의 서비스가 허용하는 사용자로 --driver %s을(를) 붙여 실행하세요", strings.Join(testbed.Rootless(), ", ")).String(),
	}
}
