package openai_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atocore/atocore/adapters/embedders/openai"
)

// dims is how many dimensions the servers of the tests have.
const dims = 16

// vectorOf is the vector that every server here has for a text: its words,
// hashed, and something of each letter so that no text has none.
func vectorOf(text string) []float64 {
	v := make([]float64, dims)
	v[len(text)%dims] += 0.01
	for _, word := range strings.Fields(text) {
		h := fnv.New32a()
		h.Write([]byte(word))
		v[h.Sum32()%dims]++
		v[h.Sum32()/dims%dims] += 0.5
	}
	return v
}

// A question is what a server was asked.
type question struct {
	Path, Key string
	Body      map[string]any
	Texts     []string
}

// A server answers as a test wants.
type server struct {
	*httptest.Server

	mu    sync.Mutex
	asked []question
}

// serve starts a server. answer writes the answer to the n-th question, from 0.
func serve(t testing.TB, answer func(w http.ResponseWriter, q question, n int)) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := question{Path: r.Method + " " + r.URL.Path, Key: r.Header.Get("Authorization")}
		src, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(src, &q.Body)
		}
		if err != nil {
			return // the client went away
		}
		for _, name := range []string{"input", "inputs"} {
			list, _ := q.Body[name].([]any)
			for _, text := range list {
				q.Texts = append(q.Texts, text.(string))
			}
		}
		s.mu.Lock()
		n := len(s.asked)
		s.asked = append(s.asked, q)
		s.mu.Unlock()
		answer(w, q, n)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) questions() []question {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]question(nil), s.asked...)
}

// texts are those that were sent, by request.
func (s *server) texts() (out [][]string) {
	for _, q := range s.questions() {
		out = append(out, q.Texts)
	}
	return out
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if text, ok := body.(string); ok {
		_, _ = io.WriteString(w, text)
		return
	}
	_ = json.NewEncoder(w).Encode(body)
}

type object = map[string]any

// asOpenAI answers as OpenAI does, but with the last text first, which it may.
func asOpenAI(w http.ResponseWriter, q question, _ int) {
	var data []object
	for i := range q.Texts {
		at := len(q.Texts) - 1 - i
		data = append(data, object{"object": "embedding", "index": at, "embedding": vectorOf(q.Texts[at])})
	}
	write(w, 200, object{"object": "list", "data": data, "model": q.Body["model"], "usage": object{"prompt_tokens": 8, "total_tokens": 8}})
}

// asBase64 answers as servers do that always send base64.
func asBase64(w http.ResponseWriter, q question, _ int) {
	var data []object
	for i, text := range q.Texts {
		var raw []byte
		for _, x := range vectorOf(text) {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(x)))
		}
		data = append(data, object{"index": i, "embedding": base64.StdEncoding.EncodeToString(raw)})
	}
	write(w, 200, object{"data": data})
}

// asOllama answers as Ollama's /api/embed does.
func asOllama(w http.ResponseWriter, q question, _ int) {
	var vectors [][]float64
	for _, text := range q.Texts {
		vectors = append(vectors, vectorOf(text))
	}
	write(w, 200, object{"model": q.Body["model"], "embeddings": vectors, "total_duration": 14143917, "load_duration": 1019500, "prompt_eval_count": 8})
}

// asTEI answers as /embed of Text Embeddings Inference does.
func asTEI(w http.ResponseWriter, q question, _ int) {
	var vectors [][]float64
	for _, text := range q.Texts {
		vectors = append(vectors, vectorOf(text))
	}
	write(w, 200, vectors)
}

// asLlama answers as llama.cpp's /embedding does, with pooling.
func asLlama(w http.ResponseWriter, q question, _ int) {
	var list []object
	for i, text := range q.Texts {
		list = append(list, object{"index": i, "embedding": [][]float64{vectorOf(text)}})
	}
	write(w, 200, list)
}

// limited refuses texts over so many bytes with a status and a message, as a
// whole request.
func limited(limit, status int, body any) func(http.ResponseWriter, question, int) {
	return func(w http.ResponseWriter, q question, n int) {
		for _, text := range q.Texts {
			if len(text) > limit {
				write(w, status, body)
				return
			}
		}
		asOpenAI(w, q, n)
	}
}

// newEmbedder has the dimensions named, waits little, and is closed at the end.
func newEmbedder(t testing.TB, o openai.Options) *openai.Embedder {
	t.Helper()
	if o.Model == "" {
		o.Model = "small"
	}
	if o.Dimensions == 0 {
		o.Dimensions = dims
	}
	if o.Backoff == 0 {
		o.Backoff = time.Microsecond
	}
	e, err := openai.New(t.Context(), &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// floats is a vector as Embed returns it.
func floats(text string) []float32 {
	var out []float32
	for _, x := range vectorOf(text) {
		out = append(out, float32(x))
	}
	return out
}

func words(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("text number %d", i))
	}
	return out
}
