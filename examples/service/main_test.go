package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
)

func do(ctx context.Context, s service, method, target, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body)))
	return w
}

func TestNotes(t *testing.T) {
	s := service{atocoretest.NewStore(t, options)}
	if w := do(t.Context(), s, http.MethodPost, "/notes", `{"text": "The spare key is with Mrs Lindqvist."}`); w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	if w := do(t.Context(), s, http.MethodPost, "/notes", `{"text": ""}`); w.Code != http.StatusBadRequest {
		t.Error(w.Code, w.Body)
	}
	w := do(t.Context(), s, http.MethodGet, "/notes?q="+url.QueryEscape("who has the key"), "")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Lindqvist") {
		t.Error(w.Code, w.Body)
	}
}

// TestRestorable takes what the service writes, by its own requests, through
// snapshot, change and restore: by processes that are killed half-way, and where
// the store's parts are bind mounts, as they are in the service's container.
func TestRestorable(t *testing.T) {
	write := func(format string) func(context.Context, *atocore.Store) error {
		return func(ctx context.Context, store *atocore.Store) error {
			for i := range 20 {
				body := fmt.Sprintf(`{"text": %q}`, fmt.Sprintf(format, i))
				if w := do(ctx, service{store}, http.MethodPost, "/notes", body); w.Code != http.StatusOK {
					return fmt.Errorf("%d %s", w.Code, w.Body)
				}
			}
			return nil
		}
	}
	atocoretest.TestRoundTrip(t, &atocoretest.Options{
		Store:  options,
		Seed:   write("The spare key number %d is with Mrs Lindqvist."),
		Mutate: write("Mrs Lindqvist has given back the spare key number %d."),
		Probes: []atocore.Query{{Text: "who has spare key number 7"}},
		Kills:  5,
		Mounts: true,
	})
}
