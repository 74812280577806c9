package report

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/remote"
	"noriter.dev/noriter/testbed"
)

// A testbed's home in which secrets of all kinds are planted.
type planted struct {
	home    testbed.Home
	secrets map[string]string
}

func (p *planted) write(t *testing.T, path, content string) {
	t.Helper()
	path = filepath.Join(p.home.Dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// jwt is a token in its form, and none that is known anywhere.
const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJlLW9mLW5vYm9keQ"

func plant(t *testing.T) *planted {
	t.Helper()
	p := &planted{home: testbed.Home{Dir: t.TempDir()}, secrets: map[string]string{}}
	pair, err := remote.NewKeyPair("learner@planted-host")
	if err != nil {
		t.Fatal(err)
	}
	key := string(pair.Private)
	body := strings.Split(strings.TrimSpace(key), "\n")
	in64 := base64.StdEncoding.EncodeToString(pair.Private)
	p.secrets = map[string]string{
		"a line of a private key": body[2], "another line of it": body[3], "its base64": in64[40:90],
		"a token": "c2lnbmF0dXJlLW9mLW5vYm9keQ", "a bearer": "abcDEF0123456789", "a proxy's password": "hunter2proxy", "a password with a slash": "s1a/sh",
		"a password": "opensesame99", "an env value": "enV-v4lue-77", "a JSON password": "jsonpass55", "an escaped one": "escaped66pw",
		"a bootstrap token": "07401b.f395accd246ae52d", "a vendor's": "ghp_0123456789abcdefghijABCDEFGHIJ012345",
		"a hash": "$6$rounds$abcdefghijklmnopqrstuvwxyz012345", "a registry's login": "bGVhcm5lcjpwbGF5Z3JvdW5k",
		"a Secret's value": "swordfish-of-the-cluster", "its base64 form": base64.StdEncoding.EncodeToString([]byte("swordfish-of-the-cluster")),
		"a flag's value": "flagged123", "a key of the testbed": "Zm9yLW5vYm9keS1lbHNlLXRvLWtub3ctMTIzNA", "a login": "netrcpw88",
		"a home folder": "/home/planteduser", "a user": "planteduser",
	}
	s := p.secrets
	log := strings.Join([]string{
		"2026-01-01T00:00:00 node1 x[1]: plain words stay",
		key,
		"prefix: " + strings.Join(body, "\nnode1 cat[7]: ") + "\nafter the key",
		`{"pem":"` + strings.Join(body, `\n`) + `"}`,
		"client-key-data: " + in64, "in a file: " + in64,
		"Authorization: Bearer " + s["a bearer"],
		"token seen: " + jwt,
		"proxy http://alice:" + s["a proxy's password"] + "@proxy.example:3128 and https://bob:" + s["a password with a slash"] + "@mirror.example/debian",
		"password=" + s["a password"], "DB_PASSWORD: '" + s["an env value"] + "'", `{"password": "` + s["a JSON password"] + `"}`, `msg="{\"secret\":\"` + s["an escaped one"] + `\"}"`,
		"joined with " + s["a bootstrap token"], "GH " + s["a vendor's"], "shadow " + s["a hash"],
		`{"auths":{"x":{"auth": "` + s["a registry's login"] + `"}}}`,
		"the application says " + s["a Secret's value"] + " and " + s["its base64 form"],
		"run: nori-control --token " + s["a flag's value"] + " --v 2",
		"encryption with " + s["a key of the testbed"],
		"machine x login me password " + s["a login"],
		"opened /home/planteduser/file for planteduser",
		"and the end stays",
	}, "\n")
	const bed = "testbeds/demo/"
	p.write(t, bed+"nspawn/machines/node1/console.log", log)
	// The tail of a console may begin within a key, or end in one.
	p.write(t, bed+"nspawn/machines/control/console.log", strings.Join(body[2:], "\nc: ")+"\n"+log+"\n"+strings.Join(body[:len(body)-1], "\nc: "))
	p.write(t, bed+"steps.log", log)
	own, err := remote.NewKeyPair("noriter") // not that of the log: that one only its form tells
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, bed+"ssh/id_ed25519", string(own.Private))
	p.write(t, bed+"pki/encryption.yaml", "keys:\n- secret: "+s["a key of the testbed"]+"\n")
	p.write(t, bed+"state.json", `{"spec":{"name":"demo","driver":"nspawn","nodes":1,"connect":"qemu+tcp://alice:`+s["a proxy's password"]+`@big.example/system"},"subnet":"10.77.9.0/24"}`)
	return p
}

// api answers as an API server does, with what must not be told in all of it.
func (p *planted) api(t *testing.T) {
	t.Helper()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	list := metav1.Verbs{"list"}
	pod, err := json.Marshal(map[string]any{"metadata": map[string]any{"namespace": "shop"}, "spec": map[string]any{"env": p.secrets["an env value"]}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api":
			answer(w, metav1.APIVersions{Versions: []string{"v1"}})
		case "/apis":
			answer(w, metav1.APIGroupList{Groups: []metav1.APIGroup{{Name: "pv.example.com", Versions: []metav1.GroupVersionForDiscovery{{GroupVersion: "pv.example.com/v1", Version: "v1"}}}}})
		case "/api/v1":
			answer(w, metav1.APIResourceList{GroupVersion: "v1", APIResources: []metav1.APIResource{
				{Name: "pods", Kind: "Pod", Verbs: list, Namespaced: true}, {Name: "secrets", Kind: "Secret", Verbs: list}, {Name: "events", Kind: "Event", Verbs: list}}})
		case "/apis/pv.example.com/v1":
			answer(w, metav1.APIResourceList{GroupVersion: "pv.example.com/v1", APIResources: []metav1.APIResource{{Name: "vaults", Kind: "Vault", Verbs: list}}})
		case "/api/v1/secrets":
			if strings.Contains(r.Header.Get("Accept"), "Table") {
				t.Error("Secrets were listed for the report")
			}
			answer(w, v1.SecretList{TypeMeta: metav1.TypeMeta{Kind: "SecretList", APIVersion: "v1"}, Items: []v1.Secret{{Data: map[string][]byte{"x": []byte(p.secrets["a Secret's value"])}}}})
		case "/api/v1/pods":
			row := metav1.TableRow{Cells: []any{"web-1", "Running"}}
			row.Object.Raw = pod
			answer(w, metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{{Name: "Name"}, {Name: "Status"}}, Rows: []metav1.TableRow{row}})
		case "/api/v1/events":
			answer(w, metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{{Name: "Message"}}, Rows: []metav1.TableRow{{Cells: []any{"it said " + p.secrets["a Secret's value"]}}}})
		case "/apis/pv.example.com/v1/vaults":
			answer(w, metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{{Name: "Name"}, {Name: "Combination"}}, Rows: []metav1.TableRow{{Cells: []any{"vault-1", "columns-tell-07"}}}})
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	p.secrets["a custom resource's column"] = "columns-tell-07"
	cfg := api.NewConfig()
	cfg.Clusters["c"] = &api.Cluster{Server: server.URL}
	cfg.AuthInfos["u"] = &api.AuthInfo{Token: "of-the-administrator-alone"}
	cfg.Contexts["x"] = &api.Context{Cluster: "c", AuthInfo: "u"}
	cfg.CurrentContext = "x"
	if err := clientcmd.WriteToFile(*cfg, filepath.Join(p.home.Dir, "testbeds/demo/pki/admin.conf")); err != nil {
		t.Fatal(err)
	}
}

func (p *planted) env(name string) string {
	return map[string]string{
		"SUDO_USER": "planteduser", "HOME": "/home/planteduser", "PATH": "/home/planteduser/bin:/usr/bin",
		"HTTPS_PROXY": "http://alice:" + p.secrets["a proxy's password"] + "@proxy.example:3128", "NORI_HOME": "/home/planteduser/x",
	}[name]
}

func (p *planted) source(t *testing.T) Source {
	t.Helper()
	s := Source{Version: "v0", Home: p.home, Name: "demo", Lines: 10, Getenv: p.env}
	bed, err := testbed.Open(p.home, "demo")
	if err != nil {
		t.Fatal(err)
	}
	s.Testbed = bed
	return s
}

// unpacked writes a report and reads it back: name → content.
func unpacked(t *testing.T, rep Report) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.tar.gz")
	if err := rep.Write(file, time.Now(), func(string) string { return "" }); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the archive has mode %v, %v", st.Mode(), err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "report/")] = string(text)
	}
}

// leaks are the planted secrets that are in an archive's files or their names.
func (p *planted) leaks(files map[string]string) (found []string) {
	for name, text := range files {
		for what, secret := range p.secrets {
			if strings.Contains(text, secret) || strings.Contains(name, secret) {
				found = append(found, what+" in "+name)
			}
		}
	}
	slices.Sort(found)
	return found
}

func TestNoSecretIsInAReport(t *testing.T) {
	p := plant(t)
	p.api(t)
	files := unpacked(t, Make(t.Context(), p.source(t)))
	for _, l := range p.leaks(files) {
		t.Error(l)
	}
	for name, want := range map[string][]string{
		"machines/node1/console.txt":        {"plain words stay", "after the key", "and the end stays", "proxy.example:3128", "--v 2"},
		"machines/control/console.txt":      {"plain words stay"},
		"testbed/state.json":                {`"subnet":"10.77.9.0/24"`, "big.example"},
		"testbed/steps.txt":                 {"and the end stays"},
		"testbed/sizes.txt":                 {"state.json"},
		"cluster/pods.txt":                  {"NAMESPACE", "shop", "web-1", "Running"},
		"cluster/events.txt":                {"it said " + removed},
		"cluster/vaults.pv.example.com.txt": {"vault-1"},
		"host.txt":                          {"nori v0", "HTTPS_PROXY is set", "NORI_HOME is set", "PATH=~/bin:/usr/bin"},
		"doctor.txt":                        {"system", "memory"},
		"testbeds.txt":                      {"demo"},
		"not-collected.txt":                 {"node1"},
	} {
		for _, w := range want {
			if !strings.Contains(files[name], w) {
				t.Errorf("%s lacks %q:\n%.600s", name, w, files[name])
			}
		}
	}
}

// TestPlantedSecretsAreThere: without the scrubber each of them would be in the report,
// but for those that are never collected. Else the test above would hold for nothing.
func TestPlantedSecretsAreThere(t *testing.T) {
	p := plant(t)
	log, err := os.ReadFile(filepath.Join(p.home.Dir, "testbeds/demo/steps.log"))
	if err != nil {
		t.Fatal(err)
	}
	raw := map[string]string{"steps.txt": string(log)}
	if found := p.leaks(raw); len(found) != len(p.secrets) {
		t.Errorf("of %d secrets only these are in the log: %v", len(p.secrets), found)
	}
}

func TestReportOfABrokenTestbed(t *testing.T) {
	p := plant(t)
	p.write(t, "testbeds/demo/state.json", `{"spec": {"name": "de`)
	_, err := testbed.Open(p.home, "demo")
	if err == nil {
		t.Fatal("half a state was opened")
	}
	s := Source{Version: "v0", Home: p.home, Name: "demo", Lines: 10, Getenv: p.env, Trouble: []error{err}}
	files := unpacked(t, Make(t.Context(), s))
	if files["testbed/state.json"] != `{"spec": {"name": "de` || !strings.Contains(files["not-collected.txt"], "demo") || files["doctor.txt"] == "" {
		t.Errorf("the report has %v", files)
	}
}

func TestReportWithoutATestbed(t *testing.T) {
	s := Source{Version: "v0", Home: testbed.Home{Dir: filepath.Join(t.TempDir(), "none")}, Name: "noriter", Lines: 10, Getenv: os.Getenv, Trouble: []error{testbed.ErrNoTestbed}}
	files := unpacked(t, Make(t.Context(), s))
	if files["host.txt"] == "" || files["doctor.txt"] == "" || !strings.Contains(files["not-collected.txt"], "no such testbed") {
		t.Errorf("the report has %v", files)
	}
}

func TestWriteTakesNoPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.tar.gz")
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	rep := Report{Files: []File{{Name: "a", Data: []byte("b")}}}
	if err := rep.Write(file, time.Now(), os.Getenv); err == nil {
		t.Error("a file was overwritten")
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "mine" {
		t.Errorf("it holds %q, %v", data, err)
	}
	if err := rep.Write(filepath.Join(filepath.Dir(file), "gone", "r.tar.gz"), time.Now(), os.Getenv); err == nil {
		t.Error("a folder that is not there took a report")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".nori*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestFullDisk: a report that does not fit leaves nothing and says where it may.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes a small disk")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("no small disk: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	})
	noise := make([]byte, 256<<10)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24) // what is not noise is compressed away
	}
	err := Report{Files: []File{{Name: "a", Data: noise}}}.Write(filepath.Join(dir, "r.tar.gz"), time.Now(), os.Getenv)
	var host *machine.HostError
	if !errors.As(err, &host) || !strings.Contains(host.Remedy, "-o /OTHER/DISK") {
		t.Errorf("Write = %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestContentsInBothLanguages(t *testing.T) {
	defer lang.Set(lang.English)
	lang.Set(lang.English)
	en := Contents()
	lang.Set(lang.Korean)
	for i, ko := range Contents() {
		if ko == en[i] || ko == "" {
			t.Errorf("%q is told as %q in Korean", en[i], ko)
		}
	}
}

// TestEachRuleIsNeeded: without a row, something planted would be told.
func TestEachRuleIsNeeded(t *testing.T) {
	all := rules
	defer func() { rules = all }()
	p := plant(t)
	var texts []string
	for _, file := range []string{"nspawn/machines/control/console.log", "state.json"} {
		data, err := os.ReadFile(filepath.Join(p.home.Dir, "testbeds/demo", file))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(data))
	}
	for i, r := range all {
		rules = slices.Delete(slices.Clone(all), i, i+1)
		told := false
		for _, text := range texts {
			told = told || NewScrubber(nobody).Clean(text) != cleanBy(all, text)
		}
		if !told {
			t.Errorf("row %d (%s: %s) takes nothing that the others leave", i, r.what, r.form)
		}
	}
}

// cleanBy cleans with other rules than those that are set.
func cleanBy(with []rule, text string) string {
	was := rules
	defer func() { rules = was }()
	rules = with
	return NewScrubber(nobody).Clean(text)
}
