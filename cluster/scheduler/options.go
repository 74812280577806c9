package scheduler

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/component"
)

// Options are the scheduler's flags. With AddFlags' defaults they are what a control
// node needs. (Upstream's cmd/kube-scheduler/app/options/options.go.)
type Options struct {
	// Kubeconfig is the file with the server and the scheduler's credentials.
	Kubeconfig string
	// LeaderElect makes this process schedule only while it holds the lease
	// kube-system/kube-scheduler, so that several may run.
	LeaderElect bool
	Lease       component.LeaseTimes
	// HealthAddress is where /healthz is answered over plain HTTP; "" for nowhere.
	HealthAddress string
	// SchedulerName is the spec.schedulerName of the pods to schedule.
	SchedulerName string
	// APITimeout is how long to wait at the start for the API server to be ready.
	APITimeout time.Duration
}

// AddFlags defines the flags with their defaults. The names are upstream's where it
// has them, and so is the port, 10259.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Kubeconfig, "kubeconfig", "/etc/kubernetes/scheduler.conf", "file with the API server's address and the scheduler's credentials")
	fs.BoolVar(&o.LeaderElect, "leader-elect", true, "schedule only while holding the lease kube-system/kube-scheduler")
	o.Lease.AddFlags(fs)
	fs.StringVar(&o.HealthAddress, "health-address", "127.0.0.1:10259", "address to answer /healthz on over HTTP, empty for none")
	fs.StringVar(&o.SchedulerName, "scheduler-name", v1.DefaultSchedulerName, "schedule pods with this spec.schedulerName")
	fs.DurationVar(&o.APITimeout, "api-timeout", 5*time.Minute, "how long to wait at the start for the API server")
}

// Validate says what is wrong with the options.
func (o *Options) Validate() error {
	switch {
	case o.Kubeconfig == "":
		return errors.New("--kubeconfig is empty: give the scheduler's kubeconfig, usually /etc/kubernetes/scheduler.conf")
	case o.SchedulerName == "":
		return errors.New("--scheduler-name is empty: pods that name none get " + v1.DefaultSchedulerName)
	case o.APITimeout <= 0:
		return fmt.Errorf("--api-timeout is %v: it must be positive", o.APITimeout)
	}
	if o.LeaderElect {
		return o.Lease.Validate()
	}
	return nil
}
