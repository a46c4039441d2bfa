package openai_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
	"github.com/atocore/atocore/adapters/embedders/openai"
)

// TestShapes has each server's address, question and answer.
func TestShapes(t *testing.T) {
	for _, test := range []struct {
		name, path string // the path that is given, and
		want       string // the one that is asked
		answer     func(http.ResponseWriter, question, int)
		body       object // what is sent beside the texts
	}{
		{"OpenAI", "/v1", "POST /v1/embeddings", asOpenAI, object{"model": "small"}},
		{"without v1", "", "POST /v1/embeddings", asOpenAI, object{"model": "small"}},
		{"with a slash", "/", "POST /v1/embeddings", asOpenAI, object{"model": "small"}},
		{"below", "/api/v1/", "POST /api/v1/embeddings", asOpenAI, object{"model": "small"}},
		{"another version", "/v1beta", "POST /v1beta/embeddings", asOpenAI, object{"model": "small"}},
		{"the whole address", "/openai/embeddings", "POST /openai/embeddings", asOpenAI, object{"model": "small"}},
		{"base64", "/v1", "POST /v1/embeddings", asBase64, object{"model": "small"}},
		{"Ollama", "/api/embed", "POST /api/embed", asOllama, object{"model": "small", "truncate": true}},
		{"TEI", "/embed", "POST /embed", asTEI, object{"truncate": true}},
		{"llama.cpp", "/embedding", "POST /embedding", asLlama, object{"model": "small"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, test.answer)
			e := newEmbedder(t, openai.Options{BaseURL: s.URL + test.path, QueryPrefix: "query: ", DocumentPrefix: "passage: "})
			texts := []string{"the sea", "", "a <tide> & gale", " \n"}
			got, err := e.Embed(t.Context(), texts, atocore.ForDocument)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]float32{floats("passage: the sea"), nil, floats("passage: a <tide> & gale"), nil}, got); diff != "" {
				t.Error(diff)
			}
			got, err = e.Embed(t.Context(), []string{"sea"}, atocore.ForQuery)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]float32{floats("query: sea")}, got); diff != "" {
				t.Error(diff)
			}
			for _, q := range s.questions() {
				if q.Path != test.want {
					t.Errorf("asked %s, want %s", q.Path, test.want)
				}
				delete(q.Body, "input")
				delete(q.Body, "inputs")
				if diff := cmp.Diff(test.body, q.Body); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestConformance(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, question, int){
		"no limit": asOpenAI,
		"limit":    limited(2000, 400, object{"error": object{"message": "too long"}}),
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, answer)
			atocoretest.TestEmbedder(t, newEmbedder(t, openai.Options{BaseURL: s.URL, DocumentPrefix: "passage: "}))
		})
	}
}

// TestBatches has no request with more texts or bytes than there may be.
func TestBatches(t *testing.T) {
	s := serve(t, asOpenAI)
	e := newEmbedder(t, openai.Options{BaseURL: s.URL, Batch: 3, BatchBytes: 10})
	texts := []string{"a", "b", "c", "d", "123456789", "x", "y", strings.Repeat("z", 50), "e"}
	got, err := e.Embed(t.Context(), texts, atocore.ForDocument)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"a", "b", "c"}, {"d", "123456789"}, {"x", "y"}, {strings.Repeat("z", 50)}, {"e"}}
	if diff := cmp.Diff(want, s.texts()); diff != "" {
		t.Error(diff)
	}
	for i, text := range texts {
		if !cmp.Equal(floats(text), got[i]) {
			t.Errorf("%q has another vector", text)
		}
	}
	if _, err := e.Embed(t.Context(), nil, atocore.ForDocument); err != nil {
		t.Error(err)
	}
	if got := len(s.questions()); got != len(want) {
		t.Errorf("%d requests, want %d: none for no texts", got, len(want))
	}
}

// TestDimensions learns them from the server, once.
func TestDimensions(t *testing.T) {
	s := serve(t, asOpenAI)
	e, err := openai.New(t.Context(), &openai.Options{BaseURL: s.URL, Model: "small"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := e.Space().Dimensions; got != dims {
			t.Errorf("%d dimensions, want %d", got, dims)
		}
	}
	if got := len(s.questions()); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}

	// Named, they are not asked for, and may be part of the question.
	named := newEmbedder(t, openai.Options{BaseURL: s.URL, Dimensions: dims, RequestDimensions: true})
	if got := len(s.questions()); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
	if _, err := named.Embed(t.Context(), []string{"sea"}, atocore.ForDocument); err != nil {
		t.Fatal(err)
	}
	if got := s.questions()[1].Body["dimensions"]; got != float64(dims) {
		t.Errorf("asked for %v dimensions, want %d", got, dims)
	}

	wrong := newEmbedder(t, openai.Options{BaseURL: s.URL, Dimensions: dims + 1})
	if _, err := wrong.Embed(t.Context(), []string{"sea"}, atocore.ForDocument); err == nil || !strings.Contains(err.Error(), "16 dimensions, not 17") {
		t.Errorf("error %v, want one with both dimensions", err)
	}
}

// TestFingerprint changes with all that the vectors depend on, and with nothing
// else.
func TestFingerprint(t *testing.T) {
	space := func(o openai.Options) atocore.Space {
		o.Dimensions = dims
		return newEmbedder(t, o).Space()
	}
	base := openai.Options{BaseURL: "http://localhost:1", Model: "small", QueryPrefix: "q: ", DocumentPrefix: "d: "}
	want := space(base)
	seen := map[atocore.Space]string{want: "base"}
	for name, change := range map[string]func(o *openai.Options){
		"model":           func(o *openai.Options) { o.Model = "large" },
		"query prefix":    func(o *openai.Options) { o.QueryPrefix = "" },
		"document prefix": func(o *openai.Options) { o.DocumentPrefix = "q: " },
		"both prefixes":   func(o *openai.Options) { o.QueryPrefix, o.DocumentPrefix = "q: d", ": " },
		"dimensions":      func(o *openai.Options) { o.RequestDimensions = true },
	} {
		o := base
		change(&o)
		got := space(o)
		if other, ok := seen[got]; ok {
			t.Errorf("%s: the space is that of %s", name, other)
		}
		seen[got] = name
	}
	same := base
	same.BaseURL, same.Batch, same.Retries, same.Key = "https://example.com", 7, 9, "key"
	if got := space(same); got != want {
		t.Errorf("the same model elsewhere: %s, want %s", got, want)
	}
}

// TestKey goes where it may go, and nowhere else.
func TestKey(t *testing.T) {
	const key = "sk-secret-123"
	s := serve(t, asOpenAI)
	e := newEmbedder(t, openai.Options{BaseURL: s.URL, Key: key})
	if _, err := e.Embed(t.Context(), []string{"sea"}, atocore.ForDocument); err != nil {
		t.Fatal(err)
	}
	if got, want := s.questions()[0].Key, "Bearer "+key; got != want {
		t.Errorf("authorization %q, want %q", got, want)
	}
	for url, ok := range map[string]bool{
		"http://localhost:1": true, "http://127.0.0.1:1": true, "http://[::1]:1": true, "https://example.com": true,
		"http://example.com": false, "http://10.0.0.1": false, "http://localhost.example.com": false, "http://127.0.0.1.example.com": false,
	} {
		_, err := openai.New(t.Context(), &openai.Options{BaseURL: url, Model: "m", Dimensions: 1, Key: key})
		if (err == nil) != ok || (!ok && !errors.Is(err, atocore.ErrInvalid)) {
			t.Errorf("%s: error %v, want none: %v", url, err, ok)
		}
		if err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("the error has the key in it: %v", err)
		}
		if _, err := openai.New(t.Context(), &openai.Options{BaseURL: url, Model: "m", Dimensions: 1, Key: key, AllowKeyOverHTTP: true}); err != nil {
			t.Errorf("%s, allowed: %v", url, err)
		}
		if _, err := openai.New(t.Context(), &openai.Options{BaseURL: url, Model: "m", Dimensions: 1}); err != nil {
			t.Errorf("%s, without a key: %v", url, err)
		}
	}
}

// TestRedirect leads to another server, which must see nothing.
func TestRedirect(t *testing.T) {
	other := serve(t, asOpenAI)
	s := serve(t, func(w http.ResponseWriter, q question, n int) {
		w.Header().Set("Location", other.URL+"/v1/embeddings")
		w.WriteHeader([]int{301, 302, 307, 308}[n%4])
	})
	client := &http.Client{} // which follows redirects by default
	e := newEmbedder(t, openai.Options{BaseURL: s.URL, Key: "sk-secret", Client: client})
	for range 4 {
		_, err := e.Embed(t.Context(), []string{"sea"}, atocore.ForDocument)
		if err == nil || !strings.Contains(err.Error(), "redirect") {
			t.Errorf("error %v, want one that says redirect", err)
		}
	}
	if got := other.questions(); len(got) != 0 {
		t.Errorf("the other server was asked: %v", got)
	}
	if client.CheckRedirect != nil {
		t.Error("the client that was given has been changed")
	}
}

func TestInvalid(t *testing.T) {
	for name, o := range map[string]*openai.Options{
		"nothing":        nil,
		"no model":       {},
		"line break":     {Model: "a\nb"},
		"dimensions":     {Model: "m", Dimensions: -1},
		"too many":       {Model: "m", Dimensions: atocore.MaxDimensions + 1},
		"unknown to":     {Model: "m", RequestDimensions: true},
		"batch":          {Model: "m", Dimensions: 1, Batch: -1},
		"retries":        {Model: "m", Dimensions: 1, Retries: -2},
		"timeout":        {Model: "m", Dimensions: 1, Timeout: -1},
		"scheme":         {Model: "m", Dimensions: 1, BaseURL: "ftp://example.com"},
		"no host":        {Model: "m", Dimensions: 1, BaseURL: "localhost:11434"},
		"no address":     {Model: "m", Dimensions: 1, BaseURL: "http://[::1"},
		"a password":     {Model: "m", Dimensions: 1, BaseURL: "https://user:sk-secret@example.com"},
		"a fragment":     {Model: "m", Dimensions: 1, BaseURL: "https://example.com/#v1"},
		"a key of two":   {Model: "m", Dimensions: 1, Key: "sk-secret\r\nX: y"},
		"not understood": {Model: "m", Dimensions: 1, RequestDimensions: true, BaseURL: "http://localhost/embed"},
	} {
		_, err := openai.New(t.Context(), o)
		if !errors.Is(err, atocore.ErrInvalid) {
			t.Errorf("%s: error %v, want %v", name, err, atocore.ErrInvalid)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error has a secret in it: %v", name, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	s := serve(t, asOpenAI)
	e := newEmbedder(t, openai.Options{BaseURL: s.URL})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, texts := range [][]string{{"sea"}, {""}, nil} {
		if _, err := e.Embed(ctx, texts, atocore.ForDocument); !errors.Is(err, context.Canceled) {
			t.Errorf("%q: error %v, want %v", texts, err, context.Canceled)
		}
	}
}
