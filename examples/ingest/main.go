// Ingest takes in a folder of Markdown and text files, twice, and searches it:
//
//	go run ./examples/ingest [FOLDER [QUESTION]]
//
// Without a folder it takes atocore's own documentation.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"strings"
	"time"

	"github.com/atocore/atocore"
)

func main() {
	folder, question := "docs", "What happens to a document whose file was renamed?"
	if len(os.Args) > 1 {
		folder = os.Args[1]
	}
	if len(os.Args) > 2 {
		question = strings.Join(os.Args[2:], " ")
	}
	if err := run(context.Background(), os.DirFS(folder), question); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, folder fs.FS, question string) (err error) {
	dir, err := os.MkdirTemp("", "atocore-ingest-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	store, err := atocore.Open(ctx, dir, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	// The second run finds every file unchanged and writes nothing.
	for _, run := range []string{"first", "second"} {
		begun := time.Now()
		report, err := store.Ingest(ctx, folder, &atocore.IngestOptions{Origin: "example"})
		if err != nil {
			return err
		}
		fmt.Printf("%s run: %d added, %d unchanged, %d skipped, in %v\n",
			run, report.Added, report.Unchanged, len(report.Skipped), time.Since(begun).Round(time.Millisecond))
		for _, s := range report.Skipped {
			fmt.Printf("  %s %s\n", s.Path, s.Reason)
		}
	}

	res, err := store.Retriever(nil).Search(ctx, atocore.Query{Text: question, Limit: 3, Explain: true})
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\n", question)
	for _, h := range res.Hits {
		e := h.Explanation
		fmt.Printf("\n%s, bytes %d to %d: %s\n", h.Source, h.Start, h.End, strings.Join(h.Heading, " › "))
		fmt.Printf("  score %.3f = relevance %.3f × document %.2f × diversity %.2f\n", h.Score, e.Relevance, e.Document, e.Diversity)
		fmt.Printf("  by words %d., by vectors %d., which weigh %.2f; known words: %s\n",
			e.TextRank, e.VectorRank, e.Weight, strings.Join(e.Words, ", "))
	}
	return nil
}
