package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// TestReap: a child that ended is collected, one that runs is left alone.
func TestReap(t *testing.T) {
	done, running := exec.Command("true"), exec.Command("sleep", "60")
	for _, c := range []*exec.Cmd{done, running} {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { _ = running.Process.Kill() }()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		reap()
		if syscall.Kill(done.Process.Pid, 0) == syscall.ESRCH {
			if err := syscall.Kill(running.Process.Pid, 0); err != nil {
				t.Errorf("the running child: %v", err)
			}
			return
		}
	}
	t.Error("an ended child is still a zombie")
}

// TestMain lets the test binary stand in for the program.
func TestMain(m *testing.M) {
	if os.Getenv("PAUSE_TEST_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestEndsOnSIGTERM(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PAUSE_TEST_MAIN=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // it must be waiting, not just starting
	if err := syscall.Kill(cmd.Process.Pid, syscall.Signal(0)); err != nil {
		t.Fatalf("it does not wait: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(5 * time.Second):
		_ = cmd.Process.Kill()
		t.Error("SIGTERM did not end it")
	}
}
