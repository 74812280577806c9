package check_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/labtest"
)

// TestPageWithoutEnd: of a page only so much is read as a check may look at.
func TestPageWithoutEnd(t *testing.T) {
	page := strings.Repeat("x", 1<<16)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := fmt.Fprint(w, page); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	w := labtest.NewWorld(t.TempDir())
	r := w.Run(t.Context(), scope(nil), parse(t, "id: a\nhttp: {url: '"+server.URL+"', timeout: 1m}\nexpr: status == 200 && size(body) == 1048576"))
	if r.State != check.Holds {
		t.Errorf("%.300s", fmt.Sprintf("%+v", r))
	}
}
