package server

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	"noriter.dev/noriter/cluster/registry"
)

// guard lets everybody read who might have read without it, and only the account
// of the installing host write: an image that a pod could replace would run as
// another pod.
type guard struct {
	next    http.Handler
	private bool
	writer  writer
	quota   *quota
	dir     string
}

// writer is the one account that may push.
type writer struct {
	name string
	// sum is the password's SHA-256: it is random and long, and needs no more.
	sum [sha256.Size]byte
}

// readWriter reads the file, which is "NAME:SHA256".
func readWriter(path string) (writer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return writer{}, err
	}
	name, text, _ := bytes.Cut(bytes.TrimSpace(data), []byte(":"))
	w := writer{name: string(name)}
	if n, err := hex.Decode(w.sum[:], text); err != nil || n != len(w.sum) || hex.EncodedLen(n) != len(text) || w.name == "" {
		return writer{}, fmt.Errorf("%s is not a line NAME:SHA256", path)
	}
	return w, nil
}

func (w writer) is(name, password string) bool {
	sum := sha256.Sum256([]byte(password))
	return name == w.name && subtle.ConstantTimeCompare(sum[:], w.sum[:]) == 1
}

// ServeHTTP implements http.Handler.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, password, known := r.BasicAuth()
	mayWrite := known && g.writer.is(name, password)
	if mayWrite && g.private {
		// Whoever may write may read; the library knows one account only.
		r = r.Clone(r.Context())
		r.SetBasicAuth(registry.User, registry.Password)
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		g.next.ServeHTTP(w, r)
		return
	}
	switch {
	case !known:
		w.Header().Set("WWW-Authenticate", `Basic realm="Noriter's registry"`)
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "pushing needs an account: `nori image push` has it")
	case !mayWrite:
		refuse(w, http.StatusForbidden, "DENIED", fmt.Sprintf("the account %q may not push: `nori image push` may", name))
	default:
		g.write(w, r)
	}
}

// write passes a request on that may take room.
func (g *guard) write(w http.ResponseWriter, r *http.Request) {
	body, err := g.quota.begin(r.Body)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
		return
	}
	defer g.quota.end()
	if r.Method != http.MethodDelete { // which makes room
		if g.quota.left() <= max(0, r.ContentLength) {
			refuse(w, http.StatusInsufficientStorage, "DENIED", g.quota.exceeded().Error())
			return
		}
		r.Body = body
	}
	g.next.ServeHTTP(&fullWriter{ResponseWriter: w, body: body}, r)
	if body.over.Load() {
		g.forget(r.URL.Path)
	}
}

// forget removes an upload that ran into the quota: it would be in the way of
// those that fit. The path is /v2/NAME/blobs/uploads/ID.
func (g *guard) forget(path string) {
	name, id, ok := strings.Cut(strings.TrimPrefix(path, "/v2/"), "/blobs/uploads/")
	if !ok || id == "" {
		return
	}
	root, err := os.OpenRoot(g.dir)
	if err != nil {
		return // nothing was ever stored
	}
	defer root.Close()
	_ = root.RemoveAll(repositories + "/" + name + "/_uploads/" + id) // else it is purged later
}

// fullWriter answers for the library where the quota ended a request, which
// otherwise would be an internal error without a reason.
type fullWriter struct {
	http.ResponseWriter
	body    *metered
	replied bool
}

// WriteHeader implements http.ResponseWriter.
func (f *fullWriter) WriteHeader(code int) {
	if f.body.over.Load() && !f.replied {
		f.replied = true
		refuse(f.ResponseWriter, http.StatusInsufficientStorage, "DENIED", f.body.quota.exceeded().Error())
	}
	if !f.replied {
		f.ResponseWriter.WriteHeader(code)
	}
}

// Write implements http.ResponseWriter.
func (f *fullWriter) Write(b []byte) (int, error) {
	if f.replied {
		return len(b), nil
	}
	return f.ResponseWriter.Write(b)
}

// Unwrap lets the server flush and copy through it.
func (f *fullWriter) Unwrap() http.ResponseWriter { return f.ResponseWriter }

// refuse answers in the form of the distribution specification, of which clients
// show the message.
func refuse(w http.ResponseWriter, status int, code, message string) {
	type failure struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body, err := json.Marshal(map[string][]failure{"errors": {{code, message}}})
	if err != nil {
		http.Error(w, message, status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Del("Content-Length")
	w.WriteHeader(status)
	_, _ = w.Write(body) // who asked may have gone
}
