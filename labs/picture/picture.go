// Package picture draws what is in a lab's namespace right now, in plain
// letters and at most 60 columns: pods on their nodes, the way of a request,
// which node has which daemon, images and why they can't be had. Gathering
// is apart from drawing, so that a picture can be tested without a cluster.
package picture

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
)

// Width is what every picture fits in.
const Width = 60

// Scene is what is drawn. What a picture doesn't need is left empty.
type Scene struct {
	Kind string
	Of
	Now time.Time

	Nodes, Pods, Services, Slices, Ingresses, DaemonSets, Events []object
}

// object is a live object as the API server gives it.
type object = map[string]any

// wants are the kinds of objects that each picture is made of.
var wants = map[string][]string{
	format.PicturePods:    {"Node", "Pod"},
	format.PictureRequest: {"Node", "Pod", "Service", "EndpointSlice", "Ingress"},
	format.PictureDaemons: {"Node", "Pod", "DaemonSet"},
	format.PictureImages:  {"Pod", "Event"},
}

// Of says which objects are meant; empty is all.
type Of struct {
	// Name is a Service's or DaemonSet's, Selector the pods', Host that of rules of Ingresses.
	Name, Selector, Host string
}

// Gather looks at the cluster for a picture.
func Gather(ctx context.Context, c *check.Cluster, namespace, kind string, of Of) (*Scene, error) {
	s := &Scene{Kind: kind, Of: of, Now: time.Now()}
	for _, want := range wants[kind] {
		items, err := c.List(ctx, want, "", namespace, map[bool]string{true: of.Selector}[want == "Pod"])
		if err != nil {
			return nil, fmt.Errorf("drawing the picture: %w", err)
		}
		*s.of(want) = contents(items)
	}
	return s, nil
}

// of is where the objects of a kind are kept.
func (s *Scene) of(kind string) *[]object {
	return map[string]*[]object{"Node": &s.Nodes, "Pod": &s.Pods, "Service": &s.Services, "EndpointSlice": &s.Slices,
		"Ingress": &s.Ingresses, "DaemonSet": &s.DaemonSets, "Event": &s.Events}[kind]
}

func contents(items []unstructured.Unstructured) []object {
	out := make([]object, len(items))
	for i := range items {
		out[i] = items[i].Object
	}
	return out
}

// Draw gives the picture's lines.
func (s *Scene) Draw() []string {
	var lines []string
	switch s.Kind {
	case format.PicturePods:
		lines = s.pods()
	case format.PictureRequest:
		lines = s.request()
	case format.PictureDaemons:
		lines = s.daemons()
	case format.PictureImages:
		lines = s.images()
	}
	for i, l := range lines {
		lines[i] = strings.TrimRight(cut(l, Width), " ")
	}
	return lines
}

// cells measures text as terminals do: Korean letters take two columns.
var cells = &runewidth.Condition{EastAsianWidth: false, StrictEmojiNeutral: true}

// cut shortens a text to so many columns.
func cut(s string, width int) string { return cells.Truncate(s, width, "~") }

// fit makes a text exactly so wide.
func fit(s string, width int) string { return cells.FillRight(cut(s, width), width) }

// box draws a frame around lines, with a head in its upper edge.
func box(head string, lines []string) []string {
	inner := Width - 4
	head = cut(head, inner-2)
	edge := "+- " + head + " " + strings.Repeat("-", max(inner-1-cells.StringWidth(head), 0)) + "+"
	out := []string{edge}
	for _, l := range lines {
		out = append(out, "| "+fit(l, inner)+" |")
	}
	return append(out, "+"+strings.Repeat("-", inner+2)+"+")
}

// most is how many things of one sort a picture shows.
const most = 6

// some gives the first lines and says how many more there are.
func some(lines []string) []string {
	if len(lines) <= most {
		return lines
	}
	rest := len(lines) - most + 1
	return append(append([]string{}, lines[:most-1]...),
		lang.T(fmt.Sprintf("... and %d more", rest), fmt.Sprintf("... 그 밖에 %d개", rest)))
}

// get walks a path of maps to a value.
func get(o object, path ...string) any {
	for _, key := range path[:len(path)-1] {
		o, _ = o[key].(object)
	}
	return o[path[len(path)-1]]
}

func text(o object, path ...string) string {
	s, _ := get(o, path...).(string)
	return s
}

func number(o object, path ...string) int64 {
	switch n := get(o, path...).(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	}
	return 0
}

// list gives the maps in a list; what isn't one is left out.
func list(o object, path ...string) []object {
	var out []object
	items, _ := get(o, path...).([]any)
	for _, item := range items {
		if m, ok := item.(object); ok {
			out = append(out, m)
		}
	}
	return out
}

func name(o object) string { return text(o, "metadata", "name") }

// labels are an object's labels, or those that a selector wants.
func labels(o object, path ...string) map[string]string {
	out := map[string]string{}
	m, _ := get(o, path...).(object)
	for k, v := range m {
		out[k], _ = v.(string)
	}
	return out
}

// at reads a time of an object; none is the zero time.
func at(o object, path ...string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, text(o, path...)) // what is no time is none
	return t
}
