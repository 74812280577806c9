// Command nori-node runs one component of a node: the agent, which runs its
// pods, or the proxy, which turns Services into nftables rules.
package main

import (
	"os"

	"noriter.dev/noriter/cluster/agent"
	"noriter.dev/noriter/cluster/component"
	"noriter.dev/noriter/cluster/proxy"
)

func main() {
	os.Exit(component.Main("nori-node", "One component of a node",
		component.Command("agent", "Runs the pods that are bound to this node", new(agent.Options), agent.Run),
		component.Command("proxy", "Turns Services into nftables rules", new(proxy.Options), proxy.Run),
	))
}
