package format

import (
	"strings"

	"gopkg.in/yaml.v3"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/field"
)

// The pictures that a step can show, drawn from what is in the cluster now.
const (
	PicturePods    = "pods"    // nodes as boxes, with the lab's pods in them
	PictureRequest = "request" // the way of a request from browser to pods
	PictureDaemons = "daemons" // each node with its daemon, or why it has none
	PictureImages  = "images"  // images, why they can't be had, the back-off left
)

// Pictures are all of them.
var Pictures = []string{PicturePods, PictureRequest, PictureDaemons, PictureImages}

// Picture is what a step shows: the kind alone (`picture: pods`), or also
// which objects are meant: name is a Service's or DaemonSet's, selector the
// pods', and host that of the rules of Ingresses (without it: those that lead to name).
type Picture struct {
	Kind                 string
	Name, Selector, Host *field.Name
	At                   problem.Pos `yaml:"-"`
}

func (p *Picture) UnmarshalStrict(d *strict.Decoder, n *yaml.Node) {
	p.At = d.At(n)
	if n.Kind == yaml.ScalarNode {
		p.Kind = n.Value
		return
	}
	type plain Picture
	d.Value(n, (*plain)(p))
}

func (v *validator) picture(p *Picture) {
	if p == nil {
		return
	}
	for _, known := range Pictures {
		if p.Kind == known {
			return
		}
	}
	v.Fail(p.At, "picture: want %s, found %q%s", strings.Join(Pictures, ", "), p.Kind, strict.Suggest(p.Kind, Pictures))
}
