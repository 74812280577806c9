package agent

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
	v1 "k8s.io/api/core/v1"
)

func parse(t *testing.T, args ...string) *Options {
	t.Helper()
	o := &Options{}
	fs := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	o.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestDefaultsAreValid(t *testing.T) {
	if err := parse(t).Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateNamesEveryMistake(t *testing.T) {
	err := parse(t, "--node-ip=x", "--cluster-dns=y", "--container-runtime-endpoint=/run/c.sock", "--root-dir=var", "--cgroup-driver=z",
		"--max-pods=0", "--register-with-taints=a:Never", "--capacity-memory=much", "--capacity-cpu=-1", "--image-gc-low-threshold=101", "--tls-cert-file=c").Validate()
	if err == nil {
		t.Fatal("all of it is taken")
	}
	for _, flag := range []string{"node-ip", "cluster-dns", "container-runtime-endpoint", "root-dir", "cgroup-driver", "max-pods", "register-with-taints", "capacity-memory", "capacity-cpu", "image-gc-high-threshold", "tls-cert-file"} {
		if !strings.Contains(err.Error(), "--"+flag+": ") {
			t.Errorf("nothing about --%s in\n%v", flag, err)
		}
	}
}

func TestTaints(t *testing.T) {
	o := parse(t, "--register-with-taints=node-role.kubernetes.io/control-plane=:NoSchedule,a=b:NoExecute")
	got, err := o.taints()
	want := []v1.Taint{{Key: "node-role.kubernetes.io/control-plane", Effect: "NoSchedule"}, {Key: "a", Value: "b", Effect: "NoExecute"}}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v %v", got, err)
	}
}

func FuzzTaint(f *testing.F) {
	f.Add("a=b:NoSchedule")
	f.Fuzz(func(t *testing.T, text string) {
		if taint, err := parseTaint(text); err == nil && (taint.Key == "" || taint.Effect == "") {
			t.Errorf("%q made %+v", text, taint)
		}
	})
}
