package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atocore/atocore"
)

// TestImportJournal has the export of a journal make an empty store what the other
// was, and nothing else.
func TestImportJournal(t *testing.T) {
	dir := t.TempDir()
	from := filepath.Join(dir, "from")
	for _, text := range []string{"Cellars are cold.", "Attics are warm."} {
		if exit := run(t.Context(), from, nil, io.Discard, io.Discard, "add", "knowledge", text); exit != 0 {
			t.Fatalf("add exits with %d", exit)
		}
	}
	digest := func(dir string) string {
		store, err := atocore.Open(t.Context(), dir, &atocore.Options{NoCreate: true})
		if err != nil {
			t.Fatal(err)
		}
		d, err := store.Digest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		report, err := store.Check(t.Context())
		if err != nil || !report.OK {
			t.Errorf("check of the store: %+v, %v", report, err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
		return d
	}
	var export bytes.Buffer
	store, err := atocore.Open(t.Context(), from, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Export(t.Context(), &export, &atocore.ExportOptions{Journal: true}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "journal.jsonl")
	if err := os.WriteFile(path, export.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(data string, want int, says string, stdin io.Reader, args ...string) {
		t.Helper()
		var stdout, stderr strings.Builder
		exit := run(t.Context(), data, stdin, &stdout, &stderr, append([]string{"import", "--from", "jsonl"}, args...)...)
		if out := stdout.String() + stderr.String(); exit != want || !strings.Contains(out, says) {
			t.Errorf("import %q exits with %d, want %d: %s, want %q", args, exit, want, out, says)
		}
	}
	to := filepath.Join(dir, "to")
	do(to, 0, "would replay 2 journal entries", nil, path, "--dry-run")
	do(to, 2, "--project does not go", nil, path, "--project", "p")
	broken := filepath.Join(dir, "broken.jsonl")
	if err := os.WriteFile(broken, export.Bytes()[:export.Len()-20], 0o600); err != nil {
		t.Fatal(err)
	}
	do(to, 2, "", nil, broken)
	if _, err := os.Stat(to); err == nil {
		t.Error("there is a store, and nothing was imported")
	}
	do(to, 0, `"replayed":2`, nil, path, "--json")
	if a, b := digest(from), digest(to); a != b {
		t.Errorf("digests %s and %s", a, b)
	}
	do(to, 1, "not empty", nil, path)
	do(to, 1, "not empty", nil, path, "--dry-run")
	do(filepath.Join(dir, "third"), 0, "replayed 2 journal entries", bytes.NewReader(export.Bytes()), "-")
	if a, b := digest(from), digest(filepath.Join(dir, "third")); a != b {
		t.Errorf("digests %s and %s", a, b)
	}
}

// TestImportInterrupted interrupts an import when its first batch is in the store.
func TestImportInterrupted(t *testing.T) {
	dir := t.TempDir()
	store, path := filepath.Join(dir, "store"), filepath.Join(dir, "records.jsonl")
	if exit := run(t.Context(), store, nil, io.Discard, io.Discard, "project", "add", "p"); exit != 0 {
		t.Fatalf("project add exits with %d", exit)
	}
	var lines bytes.Buffer
	for i := range 10_000 {
		fmt.Fprintf(&lines, `{"memory":{"type":"knowledge","content":"Shelf %d is in row %d."},"key":"%d"}`+"\n", i, i%7, i)
	}
	if err := os.WriteFile(path, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	var stderr strings.Builder
	exit := 0
	go func() {
		defer close(done)
		exit = run(ctx, store, nil, io.Discard, &stderr, "import", "--from", "jsonl", path)
	}()
	for {
		var imports strings.Builder
		run(t.Context(), store, nil, &imports, io.Discard, "import", "list")
		if imports.Len() > 0 {
			break
		}
		select {
		case <-done:
			t.Fatalf("import ended first: exit code %d\n%s", exit, stderr.String())
		default:
		}
	}
	cancel()
	<-done
	got := stderr.String()
	if exit != 1 || !strings.HasPrefix(got, "atocore: import: interrupted; by then ") || strings.Contains(got, " 0 records") {
		t.Fatalf("exit code %d, want 1, and what was added in:\n%s", exit, got)
	}
	// It can be taken back by what the message names.
	words := strings.Fields(got)
	if exit := run(t.Context(), store, nil, io.Discard, &stderr, "import", "undo", words[len(words)-1]); exit != 0 {
		t.Errorf("undo exits with %d: %s", exit, stderr.String())
	}
	var list strings.Builder
	if exit := run(t.Context(), store, nil, &list, io.Discard, "list"); exit != 0 || list.Len() > 0 {
		t.Errorf("left after the undoing: %.200s", list.String())
	}
}
