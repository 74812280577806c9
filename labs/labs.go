// Package labs is what is taught, and the engine that runs, grades and proves
// it. The parts:
//
//	expr      the expressions of checks (CEL), and why they came out as they did
//	field     what lab files are written with: expressions, texts with them
//	check     the checks, which look at the cluster: one file per kind
//	world     the namespace that a lab or a quiz works in, and its manifests
//	format    a lab on disk, read strictly
//	folder    the folder of a lab from elsewhere, in memory
//	progress  what a learner has done, kept across power cuts
//	run       a lab in progress: setup, reset, live watching, points
//	prove     the four-way proof
//	picture   draws what is in the cluster
//	source    finds functions in the project's source
//	skeleton  the beginning of a new lab
//	screen    what the learner sees
//	lint      every mistake in labs and testbed files
//	content   the labs themselves
//
// This package holds what they share with their caller: the environment that
// a lab runs in.
package labs

import (
	"cmp"
	"context"
	"io"
	"net"
	"path/filepath"

	"k8s.io/client-go/rest"

	"noriter.dev/noriter/internal/learner"
)

// Nodes runs commands on the machines of the testbed. A command that ends
// with another status than 0 is no error; code is the status.
type Nodes interface {
	// Names are the machines' names, control plane first.
	Names() []string
	Run(ctx context.Context, node, command string) (stdout, stderr string, code int, err error)
}

// Dialer is what Nodes may also be: it connects from a machine's own network,
// so that addresses which only machines reach (pods, Services) can be used.
type Dialer interface {
	Dial(ctx context.Context, node, network, address string) (net.Conn, error)
}

// Power is what Nodes may also be: it switches machines off, as if their
// power failed, and on again. On returns when the machine answers.
type Power interface {
	Off(ctx context.Context, node string) error
	On(ctx context.Context, node string) error
}

// Env is everything that labs need of the world around them. Only Kubeconfig,
// Config, ProgressDir, In, Out and Err must be set.
type Env struct {
	// Testbed is the testbed's name; progress is kept per testbed.
	Testbed string
	// Gone says that the testbed was removed since, or made anew, so that no answer of
	// its cluster is to be waited for; nil means that it stays.
	Gone func() bool
	// User is who works: shells, kubectl and files are theirs. Nil is whoever runs
	// this process.
	User *learner.User
	// Hands are as whom scripts of labs run on this host, where that is not User:
	// with a kubeconfig of their own, in the folder of the lab's files.
	Hands           *learner.User
	HandsKubeconfig string
	// Kubeconfig is the file that the learner's kubectl uses. A lab sets the
	// namespace of its current context.
	Kubeconfig string
	// Config reaches the same cluster.
	Config *rest.Config
	// Nodes is nil where machines can't be reached; labs that need them then
	// say so.
	Nodes Nodes
	// Patience multiplies how long a check may take, and the cluster to set a lab's
	// world up and to remove it, for slow machines; 0 is 1.
	Patience int
	// BinDir is a folder with kubectl (and nori) to put first on PATH;
	// empty leaves PATH alone.
	BinDir string
	// ProgressDir keeps what this learner has done on this testbed.
	ProgressDir string
	// Making is the lock under which worlds of labs are made and removed, one for all
	// learners of the testbed; empty is a file in ProgressDir.
	Making string
	// Agreed is the file with the labs from elsewhere that the learner has agreed to.
	Agreed string
	// WorkDir is where the files that labs hand out are put; empty means
	// "work" below ProgressDir.
	WorkDir string
	// Command is how this program is called in texts and in the sub-shell:
	// "nori", or with the flags that find this testbed again.
	Command string
	// Program is Command without flags.
	Program string
	// Lang is the language of the texts, "en" or "ko"; empty leaves the
	// current one.
	Lang string

	In       io.Reader
	Out, Err io.Writer
}

// Scripter is as whom scripts of labs run on this host; the folders of the labs' files
// are theirs.
func (e *Env) Scripter() (who *learner.User, kubeconfig string) {
	if e.Hands != nil {
		return e.Hands, e.HandsKubeconfig
	}
	return e.User, e.Kubeconfig
}

// Work is the folder for a lab's files.
func (e *Env) Work(lab string) string {
	dir := e.WorkDir
	if dir == "" {
		dir = filepath.Join(e.ProgressDir, "work")
	}
	return filepath.Join(dir, lab)
}

// Nori is Command, or its default.
func (e *Env) Nori() string { return cmp.Or(e.Command, "nori") }

// Anew is what to type for `nori up` of a testbed that is there no more.
func (e *Env) Anew() string { return cmp.Or(e.Program, "nori") + " up --name " + e.Testbed }
