// Command nori-control runs one component of the control plane: the store, the
// API server, the scheduler, the controllers or the private registry. Each runs as a process and a
// systemd unit of its own, because stopping one and watching what stops
// happening is a lesson.
package main

import (
	"os"

	"noriter.dev/noriter/cluster/apiserver"
	"noriter.dev/noriter/cluster/component"
	"noriter.dev/noriter/cluster/controllers"
	"noriter.dev/noriter/cluster/etcd"
	"noriter.dev/noriter/cluster/registry/server"
	"noriter.dev/noriter/cluster/scheduler"
)

func main() {
	os.Exit(component.Main("nori-control", "One component of the control plane",
		component.Command("etcd", "The store: every object of the cluster, and nothing else", new(etcd.Options), etcd.Run),
		component.Command("apiserver", "The API: the only one that talks to the store", new(apiserver.Options), apiserver.Run),
		component.Command("scheduler", "Chooses a node for every pod that has none", new(scheduler.Options), scheduler.Run),
		component.Command("registry", "The private registry: images that nodes may pull, if they are let", new(server.Options), server.Run),
		component.Command("controllers", "The loops that make what is into what was asked for", new(controllers.Options), controllers.Run),
	))
}
