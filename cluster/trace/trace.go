// Package trace lets every component of the cluster say what it decided, and why.
//
// A decision is one JSON line on stderr, which systemd puts into the machine's
// journal: the object it is about, what was decided, the reason, and the line of
// source that decided it. Put in order of time, together with the requests in the
// API server's audit log, these lines are the story of an object from
// `kubectl apply` to the running container.
//
// Call Decide wherever a learner would ask "why?", and use log/slog for the rest.
package trace

import (
	"context"
	"io"
	"log/slog"
	"path"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// modulePath is cut from the front of source positions, so that they read the
// same wherever the program was built.
const modulePath = "noriter.dev/noriter"

// Object names the object a decision is about. Namespace is empty for what has
// none; UID may be empty where it is not known.
type Object struct {
	Kind      string    `json:"kind"`
	Namespace string    `json:"namespace,omitempty"`
	Name      string    `json:"name"`
	UID       types.UID `json:"uid,omitempty"`
}

// LogValue groups the object's fields under one key of the record.
func (o Object) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("kind", o.Kind)}
	if o.Namespace != "" {
		attrs = append(attrs, slog.String("namespace", o.Namespace))
	}
	attrs = append(attrs, slog.String("name", o.Name))
	if o.UID != "" {
		attrs = append(attrs, slog.String("uid", string(o.UID)))
	}
	return slog.GroupValue(attrs...)
}

// For names obj. Objects from an informer carry no kind of their own, so the Go
// type's name stands in for it: *v1.Pod is a "Pod".
func For(obj metav1.Object) Object {
	if v := reflect.ValueOf(obj); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return Object{}
	}
	o := Object{Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: obj.GetUID()}
	if typed, ok := obj.(k8sruntime.Object); ok {
		o.Kind = typed.GetObjectKind().GroupVersionKind().Kind
	}
	if o.Kind == "" {
		t := reflect.TypeOf(obj)
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		o.Kind = t.Name()
	}
	return o
}

// Setup makes JSON lines on w the program's log and names the component in each
// of them. It returns the logger, which is slog's default from then on.
func Setup(component string, w io.Writer, level slog.Leveler) *slog.Logger {
	log := slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})).With("component", component)
	slog.SetDefault(log)
	return log
}

// Decide records that something was decided about object: what happened and why,
// and further key-value pairs as slog takes them. The position in the source is
// that of the caller.
func Decide(ctx context.Context, object Object, what, why string, kv ...any) {
	log := slog.Default()
	if !log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	var pcs [1]uintptr
	runtime.Callers(2, pcs[:]) // 2: Callers itself and Decide
	frame, _ := runtime.CallersFrames(pcs[:]).Next()

	record := slog.NewRecord(time.Now(), slog.LevelInfo, what, pcs[0])
	file, function := position(frame)
	record.AddAttrs(slog.String("why", why), slog.Any("object", object),
		slog.String("source", file), slog.String("func", function))
	record.Add(kv...)
	// A decision that can't be logged is no reason to stop deciding, and there is
	// nowhere left to say so.
	_ = log.Handler().Handle(ctx, record)
}

// position turns a stack frame into "cluster/scheduler/bind.go:42" and
// "scheduler.(*Scheduler).bind". The folder is taken from the function's import
// path and not from the file's name, which is absolute unless built with -trimpath.
func position(frame runtime.Frame) (file, function string) {
	function = frame.Function
	dir := ""
	if slash := strings.LastIndexByte(function, '/'); slash >= 0 {
		dir, function = function[:slash+1], function[slash+1:]
	}
	pkg, _, _ := strings.Cut(function, ".")
	folder := strings.TrimPrefix(strings.TrimPrefix(dir+pkg, modulePath), "/")
	if pkg == "main" { // a main package is called so, whatever its folder is
		folder = path.Join("cmd", path.Base(path.Dir(frame.File)))
	}
	return path.Join(folder, path.Base(frame.File)) + ":" + strconv.Itoa(frame.Line), function
}
