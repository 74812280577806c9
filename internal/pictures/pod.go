package main

// The columns of the picture: the objects in the API on the left, and those who watch
// and write them on the right.
const (
	apiX, apiW     = 8, 136
	chipX, chipW   = 18, 116
	actorX, actorW = 184, 208
)

// station is one step of a pod's way: somebody who is told of an object, does
// something, and writes another.
type station struct {
	number int
	who    kind
	title  string
	what   string
	// function does it; ARCHITECTURE.md has the file.
	function string
	// writes is what the API has afterwards: an object, and what is new about it. Where it
	// is empty, the station goes on to the next one itself.
	writes []string
}

// podStations are the numbers of ARCHITECTURE.md but for 2, the API server.
var podStations = []station{
	{1, library, "kubectl apply", "sends the manifest", "globals.kubectl", []string{"Deployment"}},
	{3, ours, "Deployment controller", "makes a ReplicaSet", "rollout.getNewReplicaSet", []string{"ReplicaSet"}},
	{4, ours, "ReplicaSet controller", "makes the pods that are missing", "Controller.manageReplicas", []string{"Pod", "without a node"}},
	{5, ours, "scheduler", "chooses a node", "Scheduler.scheduleOne", []string{"Pod", "with a node"}},
	{6, ours, "agent of that node", "works out what is missing", "podWorker.syncPod", nil},
	{7, library, "containerd", "sandbox, image, containers (CRI)", "podWorker.startContainer", nil},
	{8, ours, "agent", "says what runs and what is ready", "GenerateAPIPodStatus", []string{"Pod", "Running, Ready"}},
	{9, ours, "EndpointSlice controller", "lists the pods of each Service", "Controller.sync", []string{"EndpointSlice"}},
	{10, ours, "proxy of every node", "writes the kernel's nftables rules", "proxier.syncProxyRules", nil},
}

// pod is the way from `kubectl apply` to a pod that answers.
func pod() *picture {
	p := &picture{title: "The way of one pod: from kubectl apply to a pod that answers"}
	p.text(heading, rect{apiX, 6, apiW, lineHeight}, "in the API", true)
	p.text(heading, rect{actorX, 6, actorW, lineHeight}, "who does it", true)
	top, news := 30, point{}
	for i, s := range podStations {
		r := p.station(s, top)
		switch {
		case i == 0: // whoever uses kubectl begins
		case podStations[i-1].writes == nil:
			p.arrow(class(podStations[i-1].who), news, point{news.x, r.y - 1})
		default:
			p.arrow(dashed, news, point{actorX - 1, r.y + 15})
		}
		if s.writes == nil {
			news = point{actorX + actorW/2, r.bottom()}
		} else {
			news = p.written(s.writes, r)
		}
		top = r.bottom() + 18
	}
	bottom := top - 6
	p.frame(rect{apiX, 24, apiW, bottom - 24})
	p.number(2, point{chipX + 8, bottom - 44})
	for i, s := range []string{"stored in etcd,", "told to those", "who watch"} {
		p.text(plain, rect{chipX + 20, bottom - 52 + i*lineHeight, chipW - 12, lineHeight}, s, false)
	}

	y := bottom + 8
	p.arrow(solid, point{14, y + 8}, point{46, y + 8})
	p.text(plain, rect{54, y, 110, lineHeight}, "asks, or writes", false)
	p.arrow(dashed, point{184, y + 8}, point{216, y + 8})
	p.text(plain, rect{224, y, 166, lineHeight}, "is told, because it watches", false)
	p.height = y + 24
	return p
}

// class is solid where one of ours asks somebody to do something, dashed where it hears
// of what was done.
func class(who kind) string {
	if who == library {
		return dashed
	}
	return solid
}

// station draws the box of one.
func (p *picture) station(s station, y int) rect {
	r := rect{actorX, y, actorW, heightOf(3)}
	p.box(s.who, r, named(s.title), says(s.what), calls(s.function))
	p.number(s.number, point{r.right() - 11, r.bottom() - 11})
	return r
}

// written draws the object that a station writes, and returns where others are told of
// it.
func (p *picture) written(what []string, by rect) point {
	lines := []line{named(what[0])}
	for _, s := range what[1:] {
		lines = append(lines, says(s))
	}
	chip := rect{chipX, by.bottom() - 10, chipW, heightOf(len(lines))}
	p.box(object, chip, lines...)
	p.arrow(solid, point{actorX, by.bottom() - 8}, point{chip.right() + 1, chip.y + 7})
	return point{chip.right(), chip.bottom() - 5}
}
