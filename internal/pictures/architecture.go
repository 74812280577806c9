package main

// The columns of the picture: the line on the left by which everybody reaches the API
// server, the boxes, and the line on the right by which nori reaches the machines.
const (
	busX    = 32
	boxesX  = 54
	boxesW  = 308
	machine = 14  // where the frames of machines begin
	edge    = 372 // and where they end
	sshX    = 383
)

// architecture is what runs where, and who watches what.
func architecture() *picture {
	p := &picture{title: "What runs where in Noriter, and who watches what"}
	p.text(quiet, rect{12, 8, 370, lineHeight}, "this host (Linux)", false)
	people := rect{machine, 27, 158, heightOf(3)}
	p.box(library, people, named("kubectl"), says("is inside nori, and"), says("asks the API server"))
	p.box(ours, rect{186, people.y, 202, people.h}, named("nori"), says("makes the machines, then sends"), says("programs, files and units"))

	first := people.bottom() + 22
	second := control(p, first) + 8
	bottom, last := nodes(p, second)
	p.frame(rect{5, 5, width - 10, bottom + 6 - 5})

	p.arrow(solid, point{90, people.bottom()}, point{90, first + 21})
	p.arrow(solid, point{busX, last}, point{busX, first + 23 + heightOf(2)})
	p.text(plain, rect{348, people.bottom() + 1, 34, lineHeight}, "SSH", false)
	for _, y := range []int{(first + second) / 2, (second + bottom) / 2} {
		p.arrow(solid, point{sshX, people.bottom()}, point{sshX, y}, point{edge + 1, y})
	}
	p.height = legend(p, bottom+14) + 6
	return p
}

// control draws the control machine from y on, and returns where it ends.
func control(p *picture, y int) (bottom int) {
	p.text(quiet, rect{230, y + 3, 132, lineHeight}, "machine: control", false)
	p.box(object, rect{22, y + 22, 190, heightOf(2)}, named("nori-apiserver"), says("the API: all meet here"))
	p.box(library, rect{250, y + 22, 112, heightOf(2)}, named("nori-etcd"), says("keeps all objects"))
	p.arrow(solid, point{212, y + 40}, point{249, y + 40})

	top := y + 69
	watcher(p, &top, ours, "nori-scheduler", "watches Pods and Nodes", "writes which node a Pod gets")
	watcher(p, &top, ours, "nori-controllers", "watches Deployments, ReplicaSets, Services,", "Pods, Nodes, … and writes ReplicaSets, Pods,", "EndpointSlices, …")
	p.box(library, rect{boxesX, top, boxesW, heightOf(2)}, named("nori-registry"), says("holds images that nodes may pull"))
	top += heightOf(2) + 1
	p.text(quiet, rect{boxesX, top, boxesW, lineHeight}, "and an agent, a proxy and containerd, as below", false)
	top += lineHeight + 5
	p.frame(rect{machine, y, edge - machine, top - y})
	return top
}

// nodes draws the workers' machines from y on. It returns where they end, and the height
// of the last box that is connected to the API server.
func nodes(p *picture, y int) (bottom, last int) {
	p.text(quiet, rect{boxesX, y + 3, boxesW, lineHeight}, "machines: node1, node2, …", false)
	top := y + 22
	watcher(p, &top, ours, "nori-agent", "watches the Pods of its node", "writes their status, its Node and its Lease")
	p.arrow(solid, point{200, top - 7}, point{200, top + 11})
	p.text(quiet, rect{208, top - 6, 60, lineHeight}, "CRI", false)
	top += 12
	p.box(library, rect{boxesX, top, boxesW, heightOf(2)}, named("containerd"), says("starts containers, by runc"))
	top += heightOf(2) + 7
	watcher(p, &top, ours, "nori-proxy", "watches Services and EndpointSlices", "writes nftables rules into the kernel")
	watcher(p, &top, ours, "Pod: ingress controller, with nginx", "watches Ingresses, Services, EndpointSlices", "writes nginx.conf")
	last = watcher(p, &top, library, "Pod: CoreDNS", "watches Services and EndpointSlices", "answers with their addresses")
	p.frame(rect{machine, y, edge - machine, top - y})
	return top, last
}

// watcher draws a box at top that is connected to the API server, and moves top below
// it. It returns the height of the connection.
func watcher(p *picture, top *int, k kind, title string, lines ...string) int {
	all := []line{named(title)}
	for _, l := range lines {
		all = append(all, says(l))
	}
	r := rect{boxesX, *top, boxesW, heightOf(len(all))}
	p.box(k, r, all...)
	*top = r.bottom() + 7
	middle := r.y + r.h/2
	p.line(solid, "", point{boxesX, middle}, point{busX, middle})
	return middle
}

// legend says what the colours and the arrows mean.
func legend(p *picture, y int) (bottom int) {
	p.box(ours, rect{14, y + 2, 16, 11})
	p.text(plain, rect{36, y, 150, lineHeight}, "written in this project", false)
	p.box(library, rect{200, y + 2, 16, 11})
	p.text(plain, rect{222, y, 170, lineHeight}, "a library, or from Debian", false)
	p.text(quiet, rect{14, y + 18, 372, lineHeight}, "Each nori-… is a systemd unit. Arrows: who connects to whom.", false)
	return y + 18 + lineHeight
}
