package libvirt

import (
	"context"
	"slices"
	"strings"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

// jobLimit is how long saving or loading one machine may take.
const jobLimit = 3 * time.Minute

// snapshotJob runs one of QEMU's snapshot jobs (snapshot-save, -load, -delete;
// qapi/migration.json) on the machine's disk to its end.
func (c *conn) snapshotJob(ctx context.Context, dom golibvirt.Domain, command, tag, node string) error {
	ctx, cancel := context.WithTimeout(ctx, jobLimit)
	defer cancel()
	id := command + "-" + tag
	args := map[string]any{"job-id": id, "tag": tag, "devices": []string{node}}
	if command != "snapshot-delete" {
		args["vmstate"] = node
	}
	if err := c.dismissLeftJobs(ctx, dom); err != nil {
		return err
	}
	if err := c.qmp(ctx, dom, command, args, nil); err != nil {
		return err
	}
	what := lang.Textf("%s of %s to end", "%[2]s의 %[1]s 작업이 끝나기", command, dom.Name)
	return wait.Until(ctx, 20*time.Millisecond, what, func(ctx context.Context) (bool, string, error) {
		jobs, err := c.jobs(ctx, dom)
		i := slices.IndexFunc(jobs, func(j qemuJob) bool { return j.ID == id })
		if err != nil || i < 0 {
			return false, "", err
		}
		if jobs[i].Status != jobConcluded {
			return false, jobs[i].Status, nil
		}
		if err := c.dismissJob(ctx, dom, id); err != nil {
			return false, "", err
		}
		if jobs[i].Error != "" {
			return false, "", lang.Errorf("%s of %s: %s", "%[2]s의 %[1]s 작업: %[3]s", command, dom.Name, jobs[i].Error)
		}
		return true, "", nil
	})
}

// qemuJob is QEMU's JobInfo, as much of it as we use.
type qemuJob struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Status string `json:"status"`
	Error  string `json:"error"`
}

func (c *conn) jobs(ctx context.Context, dom golibvirt.Domain) ([]qemuJob, error) {
	var jobs []qemuJob
	err := c.qmp(ctx, dom, "query-jobs", nil, &jobs)
	return jobs, err
}

// jobConcluded is the state of a job that has ended and waits to be dismissed.
const jobConcluded = "concluded"

func (c *conn) dismissJob(ctx context.Context, dom golibvirt.Domain, id string) error {
	return c.qmp(ctx, dom, "job-dismiss", map[string]string{"id": id}, nil)
}

// dismissLeftJobs waits for the snapshot jobs that an interrupted nori left in
// QEMU and clears them away.
func (c *conn) dismissLeftJobs(ctx context.Context, dom golibvirt.Domain) error {
	what := lang.Textf("an earlier snapshot of %s to end", "%s의 이전 스냅샷 작업이 끝나기", dom.Name)
	return wait.Until(ctx, 50*time.Millisecond, what, func(ctx context.Context) (bool, string, error) {
		jobs, err := c.jobs(ctx, dom)
		if err != nil {
			return false, "", err
		}
		var running []string
		for _, j := range jobs {
			switch {
			case !strings.HasPrefix(j.Type, "snapshot-"):
			case j.Status == jobConcluded:
				if err := c.dismissJob(ctx, dom, j.ID); err != nil {
					return false, "", err
				}
			default:
				running = append(running, j.ID+" "+j.Status)
			}
		}
		return len(running) == 0, strings.Join(running, ", "), nil
	})
}
