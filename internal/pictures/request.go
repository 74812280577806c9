package main

// The two columns of the picture.
const (
	leftX, rightX = 8, 206
	halfW         = 186
	bothX, bothW  = leftX, width - 2*leftX
)

// request is the way from a browser to a pod: by a node port, and by an Ingress.
func request() *picture {
	p := &picture{title: "The way of one request: from a browser to a pod, by a node port or by an Ingress"}
	p.text(heading, rect{leftX, 6, halfW, lineHeight}, "by a node port", true)
	p.text(heading, rect{rightX, 6, halfW, lineHeight}, "by an Ingress", true)

	browser := rect{bothX, 26, bothW, heightOf(1) + lineHeight}
	p.box(library, browser)
	p.text(name, rect{bothX + 6, 28, bothW - 12, lineHeight}, "browser on the host", true)
	p.text(code, rect{leftX + 6, 43, halfW - 12, lineHeight}, "http://NODE:30080", true)
	p.text(code, rect{rightX + 6, 43, halfW - 12, lineHeight}, "http://shop.example", true)

	node := p.step(1, library, leftX, browser.bottom()+20, "kernel of that node", "the packet enters nftables:", "nat-prerouting → services")
	look := p.step(2, ours, leftX, node.bottom()+20, "rules of the proxy", "node port → Service → one", "ready pod; new destination")
	p.down(browser, node)
	p.down(node, look)

	door := p.step(1, library, rightX, browser.bottom()+20, "port 80 of a node", "a hostPort: the CNI plugin", "portmap sends it to nginx")
	nginx := p.step(2, ours, rightX, door.bottom()+20, "nginx, in a pod", "Host and path → a location", "→ one ready pod's address")
	p.down(rect{rightX, browser.y, halfW, browser.h}, door)
	p.down(door, nginx)

	routes := rect{bothX, look.bottom() + 20, bothW, heightOf(2)}
	p.box(ours, routes, named("routes between the nodes"), says("the pod's address → its node → its own interface (ptp)"))
	p.number(3, point{routes.right() - 11, routes.y + 12})
	p.down(look, routes)
	p.down(nginx, routes)
	pod := rect{bothX, routes.bottom() + 20, bothW, heightOf(2)}
	p.box(library, pod, named("pod"), says("answers; the answer takes the same way back"))
	p.number(4, point{pod.right() - 11, pod.y + 12})
	p.down(routes, pod)

	y := pod.bottom() + 12
	p.text(heading, rect{leftX, y, bothW, lineHeight}, "Who has written the way, before any request came", false)
	for _, w := range []struct{ who, what string }{
		{"proxy", "rules, from Services and EndpointSlices"},
		{"ingress", "nginx.conf, from Ingresses and EndpointSlices"},
		{"agent", "routes, from the Nodes' pod networks (podCIDR)"},
	} {
		y += lineHeight + 4
		p.text(name, rect{leftX, y, 56, lineHeight}, w.who, false)
		p.text(plain, rect{leftX + 62, y, bothW - 62, lineHeight}, w.what, false)
	}
	p.height = y + lineHeight + 8
	return p
}

// step draws a numbered box in one of the columns.
func (p *picture) step(n int, k kind, x, y int, title string, lines ...string) rect {
	all := []line{named(title)}
	for _, l := range lines {
		all = append(all, says(l))
	}
	r := rect{x, y, halfW, heightOf(len(all))}
	p.box(k, r, all...)
	p.number(n, point{r.right() - 11, r.y + 12})
	return r
}

// down draws an arrow from a box to one below it.
func (p *picture) down(from, to rect) {
	x := max(from.x, to.x) + min(from.w, to.w)/2
	p.arrow(solid, point{x, from.bottom()}, point{x, to.y - 1})
}
