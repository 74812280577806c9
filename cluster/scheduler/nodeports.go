package scheduler

import v1 "k8s.io/api/core/v1"

// anyHostIP stands for all addresses of a node (DefaultBindAllHostIP in upstream's
// k8s.io/kube-scheduler/framework/types.go).
const anyHostIP = "0.0.0.0"

var nodePortsTaken = unschedulable("node(s) didn't have free ports for the requested pod ports")

// nodePortsFilter keeps two pods from taking the same port of a node. (Upstream's
// framework/plugins/nodeports/node_ports.go.)
func nodePortsFilter(c *cycleState) filterFunc {
	if len(c.podInfo.hostPorts) == 0 {
		return nil
	}
	return func(n *nodeInfo) *status {
		for _, other := range n.pods {
			for _, taken := range other.hostPorts {
				for _, wanted := range c.podInfo.hostPorts {
					if wanted.conflicts(taken) {
						return nodePortsTaken
					}
				}
			}
		}
		return nil
	}
}

// hostPort is a port of the node that a pod takes for itself.
type hostPort struct {
	ip       string // anyHostIP if the pod names none
	protocol v1.Protocol
	port     int32
}

// hostPortsOf lists the host ports of a pod's containers. Those of init containers
// count only if they go on running beside the others, as sidecars.
func hostPortsOf(pod *v1.Pod) []hostPort {
	var ports []hostPort
	for i := range pod.Spec.Containers {
		ports = appendHostPorts(ports, &pod.Spec.Containers[i])
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways {
			ports = appendHostPorts(ports, c)
		}
	}
	return ports
}

func appendHostPorts(ports []hostPort, c *v1.Container) []hostPort {
	for _, p := range c.Ports {
		if p.HostPort <= 0 {
			continue // reached through the pod's own address
		}
		port := hostPort{ip: p.HostIP, protocol: p.Protocol, port: p.HostPort}
		if port.ip == "" {
			port.ip = anyHostIP
		}
		if port.protocol == "" {
			port.protocol = v1.ProtocolTCP
		}
		ports = append(ports, port)
	}
	return ports
}

// conflicts is true if one node can't give away both.
func (p hostPort) conflicts(other hostPort) bool {
	return p.port == other.port && p.protocol == other.protocol &&
		(p.ip == other.ip || p.ip == anyHostIP || other.ip == anyHostIP)
}
