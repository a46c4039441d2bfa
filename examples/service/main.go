// Service is a small web service that embeds atocore: it takes notes, finds them,
// and says when its store was last proven restorable. Here it sends itself a few
// requests and ends. Its test, main_test.go, rehearses the loss of everything.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"

	"github.com/atocore/atocore"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "atocore-service-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store, err := atocore.Open(ctx, dir, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	server := httptest.NewServer(service{store}.handler())
	defer server.Close()

	for _, text := range []string{"The spare key is with Mrs Lindqvist.", "The boiler is serviced each May."} {
		if err := send(ctx, http.MethodPost, server.URL+"/notes", note{Text: text}); err != nil {
			return err
		}
	}
	if err := send(ctx, http.MethodGet, server.URL+"/notes?q="+url.QueryEscape("who has the key"), nil); err != nil {
		return err
	}
	// A service calls this by a ticker, or leaves it to "atocore backup drill".
	if _, err := store.Backup(nil).Drill(ctx, nil); err != nil {
		return err
	}
	return send(ctx, http.MethodGet, server.URL+"/health", nil)
}

// send sends a request and prints the answer.
func send(ctx context.Context, method, address string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(text))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(res.Body)
	fmt.Printf("%s %s: %s\n%s", method, req.URL.RequestURI(), res.Status, answer)
	return errors.Join(err, res.Body.Close())
}

// options are how the service opens its store, and how its test does.
var options = &atocore.Options{Actor: "notes"}

type service struct{ store *atocore.Store }

type note struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

func (s service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /notes", s.add)
	mux.HandleFunc("GET /notes", s.find)
	mux.HandleFunc("GET /health", s.health)
	return mux
}

func (s service) add(w http.ResponseWriter, r *http.Request) {
	var n note
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, atocore.MaxMemoryBytes)).Decode(&n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m, err := s.store.Remember(r.Context(), atocore.Memory{Type: atocore.Knowledge, Content: n.Text})
	answer(w, note{m.ID, m.Content}, err)
}

func (s service) find(w http.ResponseWriter, r *http.Request) {
	res, err := s.store.Retriever(nil).Search(r.Context(), atocore.Query{Text: r.FormValue("q"), Limit: 1})
	found := []note{}
	for _, h := range res.Hits {
		found = append(found, note{h.ID, h.Text})
	}
	answer(w, found, err)
}

func (s service) health(w http.ResponseWriter, r *http.Request) {
	stats, err := s.store.Stats(r.Context())
	answer(w, map[string]any{"notes": stats.Memories[atocore.Active], "last_proven_restorable": stats.LastProven}, err)
}

func answer(w http.ResponseWriter, v any, err error) {
	switch {
	case errors.Is(err, atocore.ErrInvalid):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		log.Print(err)
		http.Error(w, "the store has failed", http.StatusInternalServerError)
	default:
		_ = json.NewEncoder(w).Encode(v) // the client has gone, if anything
	}
}
