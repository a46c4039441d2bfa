// Embedserver opens a store with the embedder that a line names: here a model
// behind an HTTP server with OpenAI's API, as Ollama, llama.cpp, vLLM and many
// others have it. The line comes from the environment:
//
//	EMBEDDER='openai:nomic-embed-text@http://localhost:11434' go run ./examples/embedserver
//
// Without one, the example brings a server of its own, whose model is a toy that
// knows a few synonyms, so that it needs no network.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/embedders"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "atocore-embedserver-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	spec := os.Getenv("EMBEDDER")
	if spec == "" {
		toy := httptest.NewServer(http.HandlerFunc(embeddings))
		defer toy.Close()
		spec = "openai:toy@" + toy.URL + "?query-prefix=query:+&document-prefix=passage:+"
	}
	embedder, closer, err := embedders.Open(ctx, spec, &embedders.Options{CacheDir: filepath.Join(dir, "vectors")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()

	store, err := atocore.Open(ctx, filepath.Join(dir, "store"), &atocore.Options{Embedder: embedder, NoEmbedder: embedder == nil})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if _, err := store.RememberAll(ctx, []atocore.Memory{
		{Type: atocore.Episodic, Content: "Took the car in for its winter tyres."},
		{Type: atocore.Episodic, Content: "The puppy ate the charger."},
	}); err != nil {
		return err
	}
	stats, err := store.Stats(ctx)
	if err != nil {
		return err
	}
	if stats.Space != nil {
		fmt.Printf("%d vectors of %s, %d dimensions\n", stats.Vectors, stats.Space.Name, stats.Space.Dimensions)
	}
	const question = "When was the vehicle at the garage?"
	res, err := store.Retriever(nil).Search(ctx, atocore.Query{Text: question, Limit: 1})
	if err != nil {
		return err
	}
	fmt.Println(question)
	for _, h := range res.Hits {
		fmt.Println("  " + h.Text)
	}
	return nil
}

// topics are the dimensions of the toy.
var topics = [][]string{{"car", "vehicle", "garage", "tyre"}, {"dog", "puppy", "vet"}}

// embeddings answers POST /v1/embeddings.
func embeddings(w http.ResponseWriter, r *http.Request) {
	type vector struct {
		Index     int       `json:"index"`
		Embedding []float64 `json:"embedding"`
	}
	var question struct {
		Input []string `json:"input"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&question); err != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	var answer struct {
		Data []vector `json:"data"`
	}
	for i, text := range question.Input {
		v := vector{Index: i, Embedding: []float64{0, 0, 0.1}}
		for d, words := range topics {
			for _, word := range words {
				v.Embedding[d] += float64(strings.Count(strings.ToLower(text), word))
			}
		}
		answer.Data = append(answer.Data, v)
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		log.Print(err)
	}
}
