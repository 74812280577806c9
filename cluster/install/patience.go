package install

import (
	"fmt"
	"time"

	"noriter.dev/noriter/cluster/component"
)

// patient is a time limit for the machines of this cluster.
func (c *Cluster) patient(limit time.Duration) time.Duration {
	return limit * time.Duration(c.Traits.Patience())
}

// patientFlags are what a unit's command line says on slow machines. What keeps a lease
// there, or looks whether another does, needs as many times the time as all else: an
// emulated control node lost the lead to nobody, because it could not renew within 10 s.
// On all other machines the times are Kubernetes' own.
func (c *Cluster) patientFlags(unit string) []string {
	factor := c.Traits.Patience()
	if factor == 1 {
		return nil
	}
	times := func(base time.Duration) time.Duration { return base * time.Duration(factor) }
	election := []string{
		fmt.Sprintf("--leader-elect-lease-duration=%s", times(component.DefaultLeaseTimes.Duration)),
		fmt.Sprintf("--leader-elect-renew-deadline=%s", times(component.DefaultLeaseTimes.RenewDeadline)),
		fmt.Sprintf("--leader-elect-retry-period=%s", times(component.DefaultLeaseTimes.RetryPeriod)),
	}
	switch unit {
	case unitEtcd:
		return []string{fmt.Sprintf("--heartbeat-interval=%d", 50*factor), fmt.Sprintf("--election-timeout=%d", 250*factor)}
	case unitScheduler:
		return election
	case unitControllers:
		return append(election,
			fmt.Sprintf("--node-monitor-grace-period=%s", times(50*time.Second)),
			fmt.Sprintf("--node-startup-grace-period=%s", times(time.Minute)))
	case unitAgent:
		return []string{
			fmt.Sprintf("--node-lease-duration-seconds=%d", 40*factor),
			fmt.Sprintf("--runtime-start-timeout=%s", times(time.Minute)),
		}
	}
	return nil
}
