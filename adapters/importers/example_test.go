package importers_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/importers"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	graph := `{"type":"entity","name":"Anna","entityType":"person","observations":["Lives in Basle"]}`
	if err := os.WriteFile(filepath.Join(dir, "memory.jsonl"), []byte(graph), 0o600); err != nil {
		log.Fatal(err)
	}
	store, err := atocore.Open(ctx, filepath.Join(dir, "store"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	source, err := importers.Open(ctx, "mcp-memory", dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer source.Close()
	for range 2 {
		report, err := store.Import(ctx, source.Records(), &atocore.ImportOptions{From: source.From, Source: source.Path})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(report.Added, "added,", report.Unchanged, "unchanged")
	}
	for m, err := range store.Memories(ctx, atocore.MemoryFilter{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Type, m.Content, m.Provenance.Source)
	}
	// Output:
	// 1 added, 0 unchanged
	// 0 added, 1 unchanged
	// knowledge Anna (person): Lives in Basle mcp-memory:Anna
}
