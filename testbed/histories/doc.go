// Package histories lives a testbed's life at random: commands, also two at once or
// killed in their middle, and all that may happen to a testbed meanwhile: processes
// die, files are lost or damaged, mounts and bridges go, the disk is full, the host
// reboots. After each action it holds Noriter to its promises, by looks of its own
// at processes, mounts, SSH and the API. What breaks a promise is shortened to the
// actions that are needed for it.
//
//	make histories TIME=2h DRIVER=nspawn
//
// What may be done is the table in actions_test.go, what is promised are the files
// promise_*_test.go. A history is a line of text, which a seed makes, and which can
// be run again as it is:
//
//	NORI_HISTORY='nspawn isolated nodes=1: up; die init node1; up' make histories
//
// A history that kept every promise becomes a row of lived.txt. `make test` lives some of
// these again, and draws no fresh seeds: what it finds, a change has broken. How long
// commands take differs all the same, and with it where a cut falls.
//
// All of it happens in namespaces of its own for mounts and network, so that the
// host is not touched. Other people's testbeds may come and go beside it: only what names
// this one's folders is compared.
package histories
