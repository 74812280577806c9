package labtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"noriter.dev/noriter/internal/shell"
)

// sceneVariable tells a test's program, when it is run again in a terminal, what to draw.
const sceneVariable = "NORI_TEST_SCENE"

// sceneEnd is drawn below a scene that asks for nothing.
const sceneEnd = "--- end of the scene ---"

// Scene is what is to be drawn by this process; empty where it is the test itself.
func Scene() string { return os.Getenv(sceneVariable) }

// Drawn says that a scene is complete, and waits until the terminal is taken away.
func Drawn() {
	fmt.Println(sceneEnd)
	time.Sleep(time.Hour)
}

// Terminal draws a scene in a real terminal, so many columns wide, and gives what one sees
// there, with escape sequences written as \e[…m: this test is run again in tmux, and calls
// Drawn. A scene that asks for something does not get there, and is complete when it
// shows the text until.
func Terminal(t *testing.T, scene, language string, columns int, until string) string {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Fatal("needs tmux: `make deps` installs it for tests (.ci/deps test)")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() // the scene's own folders, too, which nobody clears when it is killed
	socket := filepath.Join(dir, "s")
	tmux := func(args ...string) (string, error) {
		out, err := exec.Command("tmux", append([]string{"-u", "-f", "/dev/null", "-S", socket}, args...)...).CombinedOutput()
		return string(out), err
	}
	command := shell.Join("env", "-u", "NO_COLOR", "-u", "COLUMNS", "LANG="+language+"_XX.UTF-8", "LC_ALL=", "TMPDIR="+dir, sceneVariable+"="+scene,
		self, "-test.run=^"+t.Name()+"$", "-test.timeout=2m")
	if out, err := tmux("new-session", "-d", "-s", "scene", "-x", fmt.Sprint(columns), "-y", "300", command); err != nil {
		t.Fatalf("tmux: %v: %s", err, out)
	}
	defer tmux("kill-server") // it may be gone with the scene
	var seen string
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		seen, err = tmux("capture-pane", "-e", "-p", "-t", "scene")
		if until == "" && strings.Contains(seen, sceneEnd) {
			seen, _, _ = strings.Cut(seen, sceneEnd)
			break
		}
		if until != "" && strings.Contains(seen, until) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the scene %s is not drawn (%v):\n%s", scene, err, seen)
		}
	}
	var lines []string
	for _, l := range strings.Split(seen, "\n") {
		lines = append(lines, strings.TrimRight(strings.ReplaceAll(l, "\x1b", `\e`), " "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// View is one of the terminals that screens are drawn in.
type View struct {
	Name     string
	Language string
	Columns  int
	Plain    bool
}

// Views are those of the golden screens.
var Views = []View{
	{"ko-60-plain", "ko", 60, true}, {"ko-80", "ko", 80, false}, {"en-80-plain", "en", 80, true}, {"en-120", "en", 120, false},
}

// Golden draws a scene in all views, and compares each with its file in testdata/screens;
// update writes those anew. Until is for Terminal, by the view's name.
func Golden(t *testing.T, scene string, update bool, until map[string]string) {
	t.Helper()
	for _, v := range Views {
		got := Terminal(t, scene+" "+v.Name, v.Language, v.Columns, until[v.Name])
		file := filepath.Join("testdata", "screens", scene+"."+v.Name+".txt")
		if update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v; -update writes it", err)
		}
		if got != string(want) {
			t.Errorf("%s is not as in its file; -update writes it anew, and git diff shows what became of it. Now:\n%s", file, got)
		}
	}
}

// SceneView is the scene that this process draws, and in which view.
func SceneView(t *testing.T) (scene string, v View) {
	t.Helper()
	scene, name, _ := strings.Cut(Scene(), " ")
	for _, v := range Views {
		if v.Name == name {
			return scene, v
		}
	}
	t.Fatalf("no view is named %q", name)
	return "", View{}
}
