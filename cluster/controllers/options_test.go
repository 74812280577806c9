package controllers

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func options(t *testing.T, args ...string) *Options {
	t.Helper()
	o := &Options{}
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	o.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestDefaultsAreValid(t *testing.T) {
	if err := options(t).Validate(); err != nil {
		t.Error(err)
	}
}

func TestBadOptionsAreNamed(t *testing.T) {
	for flag, want := range map[string]string{
		"--cluster-cidr=10.244.0.0":       "--cluster-cidr",
		"--service-cluster-ip-range=":     "--service-cluster-ip-range",
		"--kubeconfig=":                   "controller-manager.conf",
		"--controllers=*,-replicasets":    `"replicasets", which is none of`,
		"--node-monitor-grace-period=-1s": "positive",
	} {
		if err := options(t, flag).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", flag, err, want)
		}
	}
}

func TestWhichControllersRun(t *testing.T) {
	for list, want := range map[string]string{
		"*":                        "deployment-controller replicaset-controller",
		"*,-deployment":            "replicaset-controller",
		"-deployment-controller,*": "replicaset-controller",
		"replicaset":               "replicaset-controller",
		"-replicaset":              "",
	} {
		o := options(t, "--controllers="+list)
		var got []string
		for _, name := range []string{"deployment-controller", "replicaset-controller"} {
			if o.enabled(name) {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("--controllers=%s runs %v, want %s", list, got, want)
		}
	}
}
