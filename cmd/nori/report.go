package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/ambient"
	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
	"noriter.dev/noriter/testbed/report"
)

func newReportCommand(g *globals) *cobra.Command {
	var file string
	var yes bool
	lines := 300
	c := &cobra.Command{
		Use:   "report",
		Short: lang.T("Collect what a bug report needs into an archive, without secrets", "버그 신고에 필요한 것을 비밀 정보 없이 압축 파일로 모으기"),
		Long: lang.T("Makes a .tar.gz for a bug report, of what can be had: a testbed may be broken, or none.\nIt holds:\n",
			"버그 신고용 .tar.gz를 모을 수 있는 것만으로 만듭니다. 테스트베드는 망가졌거나 없어도 됩니다.\n담기는 것:\n") +
			"  - " + strings.Join(report.Contents(), "\n  - ") + "\n" +
			lang.T(`Not collected: Secrets, what is in ConfigMaps, environments and command lines of
containers, logs of pods, keys. Out of all texts are taken: private keys, tokens,
passwords and logins of URLs, credentials of kubeconfigs, the values of the cluster's
Secrets; the names of user, host and home folder are replaced. The files are listed
before anything is written, and nothing is sent anywhere: look into it before you do.`,
				`담지 않는 것: 시크릿, 컨피그맵의 내용, 컨테이너의 환경 변수와 명령줄, 파드 로그, 키.
모든 글에서 지우는 것: 개인 키, 토큰, 비밀번호와 URL의 로그인 정보, kubeconfig의 자격 증명,
클러스터 시크릿의 값. 사용자, 호스트, 홈 폴더 이름은 바꿔 적습니다. 쓰기 전에 파일 목록을
보여 주고, 어디에도 보내지 않습니다. 보내기 전에 내용을 확인하세요.`),
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.report(c, file, lines, yes) },
	}
	c.Flags().StringVarP(&file, "output", "o", "", lang.T("the archive (default: nori-report-TIME.tar.gz in this folder)", "압축 파일 (기본값: 이 폴더의 nori-report-TIME.tar.gz)"))
	c.Flags().BoolVar(&yes, "yes", false, lang.T("write it without asking", "묻지 않고 쓰기"))
	c.Flags().IntVar(&lines, "lines", lines, lang.T("how many lines of each journal", "저널마다 담을 줄 수"))
	return c
}

func (g *globals) report(c *cobra.Command, file string, lines int, yes bool) error {
	if lines < 1 {
		return g.usage("--lines: %d is less than 1", "--lines: %d은(는) 1보다 작습니다", lines)
	}
	now := time.Now()
	file, err := reportFile(file, now)
	if err != nil {
		return err
	}
	source, err := g.reportSource(c.Context())
	if err != nil {
		return err
	}
	source.Lines = lines
	g.tell("collecting; machines that don't answer take some seconds", "모으는 중입니다. 응답하지 않는 머신이 있으면 몇 초 걸립니다")
	made := report.Make(c.Context(), source)
	if err := c.Context().Err(); err != nil {
		return err
	}
	g.printReport(made, file)
	if !yes {
		if ok, err := g.agreed(); err != nil || !ok {
			return err
		}
	}
	if err := made.Write(file, now, ambient.Getenv); err != nil {
		return err
	}
	g.tell("written: %s", "저장했습니다: %s", file)
	return nil
}

// reportFile is the archive's path. A name that is taken is refused before there is
// anything to wait for.
func reportFile(file string, now time.Time) (string, error) {
	if file == "" {
		file = "nori-report-" + now.UTC().Format("20060102-150405") + ".tar.gz"
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return "", lang.Errorf("this folder is gone, so -o must name a file in another one: %w", "현재 폴더가 없어졌으므로 -o로 다른 폴더의 파일을 지정해야 합니다: %w", err)
	}
	if _, err := os.Lstat(path); err == nil {
		return "", &testbed.UsageError{Err: lang.Errorf("%s is there already; -o names another file", "%s이(가) 이미 있습니다. -o로 다른 파일을 지정하세요", path)}
	}
	return path, nil
}

// reportSource finds the testbed, as far as there is one: what is in the way is part of
// the report. Only where several may be meant a person has to say which.
func (g *globals) reportSource(ctx context.Context) (report.Source, error) {
	s := report.Source{Version: build.Version(), Getenv: ambient.Getenv}
	home, err := testbed.FindHome()
	if err != nil {
		return s, err
	}
	s.Home = home
	if err := g.becomeRoot(home); err != nil {
		s.Trouble = append(s.Trouble, err)
	}
	if s.Name, err = g.meant(home); err != nil {
		var usage *testbed.UsageError
		if errors.As(err, &usage) {
			return s, err
		}
		s.Trouble = append(s.Trouble, err)
		return s, nil
	}
	t, err := testbed.Open(home, s.Name)
	if err != nil {
		s.Trouble = append(s.Trouble, err)
		return s, nil
	}
	s.Testbed = t
	if err := g.enter(ctx, t); err != nil {
		s.Trouble = append(s.Trouble, err)
	}
	return s, nil
}

// printReport shows what would be written.
func (g *globals) printReport(made report.Report, file string) {
	total := 0
	for _, f := range made.Files {
		total += len(f.Data)
		fmt.Fprintf(g.stdout, "%8.1f KiB  %s\n", float64(len(f.Data))/1024, f.Name)
	}
	fmt.Fprintln(g.stdout, lang.Textf("%d files, %.1f KiB before they are compressed; for %s", "파일 %d개, 압축 전 %.1f KiB; 저장할 곳: %s", len(made.Files), float64(total)/1024, file))
	for _, what := range slices.Sorted(maps.Keys(made.Removed)) {
		fmt.Fprintln(g.stdout, lang.Textf("taken out: %s, %d times", "지운 것: %s, %d곳", what, made.Removed[what]))
	}
}

// agreed asks whether to write it. Where nobody can be asked, nothing is written.
func (g *globals) agreed() (bool, error) {
	if !g.interactive() {
		return false, g.usage("nobody can be asked here, so nothing was written; --yes writes it", "여기서는 물어볼 수 없어서 쓰지 않았습니다. --yes로 쓰세요")
	}
	fmt.Fprint(g.stdout, lang.T("Write it? [y/N] ", "저장할까요? [y/N] "))
	answer, err := bufio.NewReader(g.stdin).ReadString('\n')
	if err != nil {
		return false, lang.Errorf("reading the answer: %w", "대답 읽기: %w", err)
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" && a != "예" {
		g.tell("nothing was written", "쓰지 않았습니다")
		return false, nil
	}
	return true, nil
}
