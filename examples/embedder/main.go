// Embedder plugs an embedder of one's own into a store: first none, so that
// texts wait for their vectors, then one, then another whose vectors do not
// mix with those of the first.
//
// The embedder here is a toy that knows a few synonyms, so that the example
// needs no model. A real one calls a model where this one counts topics.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/atocore/atocore"
)

// A topics embedder has a dimension for each list of words that mean nearly
// the same.
type topics struct {
	version string
	lists   [][]string
}

// Space is the identity of the vectors. Whatever changes them has to change
// it, or old and new vectors would be compared with each other.
func (e topics) Space() atocore.Space {
	return atocore.Space{Name: "example-topics", Dimensions: len(e.lists), Fingerprint: e.version}
}

// Embed returns a vector a text, and nil for a text that it cannot say
// anything about.
func (e topics) Embed(ctx context.Context, texts []string, _ atocore.Purpose) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for d, list := range e.lists {
			for _, word := range list {
				if strings.Contains(strings.ToLower(text), word) {
					if out[i] == nil {
						out[i] = make([]float32, len(e.lists))
					}
					out[i][d]++
				}
			}
		}
	}
	return out, nil
}

var (
	first  = topics{"1", [][]string{{"car", "vehicle", "garage"}, {"dog", "puppy", "vet"}}}
	second = topics{"2", [][]string{{"car", "vehicle", "garage", "tyre"}, {"dog", "puppy", "vet"}}}
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "atocore-embedder-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	// with opens the store, calls fn and closes the store.
	with := func(title string, o *atocore.Options, fn func(*atocore.Store) error) error {
		fmt.Println(title)
		store, err := atocore.Open(ctx, dir, o)
		if err != nil {
			return err
		}
		return errors.Join(fn(store), store.Close())
	}
	err = with("Without an embedder", &atocore.Options{NoEmbedder: true}, func(store *atocore.Store) error {
		_, err := store.RememberAll(ctx, []atocore.Memory{
			{Type: atocore.Episodic, Content: "Took the car in for its winter tyres."},
			{Type: atocore.Episodic, Content: "The puppy ate the charger."},
		})
		return errors.Join(err, show(ctx, store))
	})
	if err != nil {
		return err
	}
	err = with("\nWith an embedder, once the texts that wait are embedded", &atocore.Options{Embedder: first}, func(store *atocore.Store) error {
		_, err := store.EmbedPending(ctx)
		return errors.Join(err, show(ctx, store))
	})
	if err != nil {
		return err
	}
	return with("\nWith another embedder", &atocore.Options{Embedder: second}, func(store *atocore.Store) error {
		if err := show(ctx, store); err != nil {
			return err
		}
		fmt.Println("\nAfter Reindex")
		return errors.Join(store.Reindex(ctx, nil), show(ctx, store))
	})
}

// show asks a question that has no word in common with its answer.
func show(ctx context.Context, store *atocore.Store) error {
	stats, err := store.Stats(ctx)
	if err != nil {
		return err
	}
	space := "none"
	if stats.Space != nil {
		space = stats.Space.String()
	}
	fmt.Printf("  vectors %d, waiting %d, space %s\n", stats.Vectors, stats.Pending, space)

	const question = "When was the vehicle at the garage?"
	res, err := store.Retriever(nil).Search(ctx, atocore.Query{Text: question, Limit: 1})
	if err != nil {
		return err
	}
	fmt.Printf("  %s\n", question)
	for _, h := range res.Hits {
		fmt.Printf("    %s\n", h.Text)
	}
	if len(res.Hits) == 0 {
		fmt.Println("    nothing found")
	}
	for _, n := range res.Notes {
		fmt.Printf("    note: %s\n", n)
	}
	return nil
}
