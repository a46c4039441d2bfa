package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
)

// TestIngestPart has an ingest fail at its second path, whose name no origin
// can have: what went in from the first is said.
func TestIngestPart(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no control characters in names there")
	}
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad\x01")
	if err := os.Mkdir(bad, 0o777); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(dir, "good")
	if err := os.CopyFS(good, fstest.MapFS{"good.md": {Data: []byte("# Good")}}); err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	exit := run(t.Context(), filepath.Join(dir, "store"), nil, io.Discard, &stderr, "ingest", good, bad)
	if got, want := stderr.String(), "; kept so far: 1 added, 0 updated"; exit != 2 || !strings.Contains(got, want) {
		t.Errorf("exit code %d, want 2, and %q in:\n%s", exit, want, got)
	}
}

// TestIngestUnreadable has a folder that cannot be read refused before the path
// in front of it is taken in.
func TestIngestUnreadable(t *testing.T) {
	dir := t.TempDir()
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadDir(closed); err == nil {
		t.Skip("this user can read any folder")
	}
	good := filepath.Join(dir, "good.md")
	if err := os.WriteFile(good, []byte("# Good"), 0o666); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, "store")
	if exit := run(t.Context(), store, nil, io.Discard, io.Discard, "ingest", good, closed); exit != 1 {
		t.Errorf("exit code %d, want 1", exit)
	}
	if _, err := os.Stat(store); err == nil {
		t.Error("a store was made")
	}
}

// TestIngestInterrupted interrupts a run when its first batch is in the store.
func TestIngestInterrupted(t *testing.T) {
	dir := t.TempDir()
	pages, store := filepath.Join(dir, "pages"), filepath.Join(dir, "store")
	if err := os.Mkdir(pages, 0o777); err != nil {
		t.Fatal(err)
	}
	text := bytes.Repeat([]byte("Some words of a page.\n\n"), 2000)
	for i := range 400 {
		page := fmt.Appendf(nil, "# Page %d\n\n%s", i, text)
		if err := os.WriteFile(filepath.Join(pages, fmt.Sprintf("%d.md", i)), page, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	var stderr strings.Builder
	exit := 0
	go func() {
		defer close(done)
		exit = run(ctx, store, nil, io.Discard, &stderr, "ingest", pages)
	}()
	for {
		var stats strings.Builder
		run(t.Context(), store, nil, &stats, io.Discard, "stats", "--json")
		if n := strings.Contains(stats.String(), `"documents":`) && !strings.Contains(stats.String(), `"documents":0,`); n {
			break
		}
		select {
		case <-done:
			t.Fatalf("ingest ended first: exit code %d\n%s", exit, stderr.String())
		default:
		}
	}
	cancel()
	<-done
	got := stderr.String()
	if exit != 1 || !strings.HasPrefix(got, "atocore: ingest: interrupted; kept so far: ") || strings.Contains(got, ": 0 added") {
		t.Errorf("exit code %d, want 1, and what was kept in:\n%s", exit, got)
	}
	if strings.Contains(got, "SELECT") || strings.Contains(got, "INSERT") {
		t.Errorf("SQL in:\n%s", got)
	}
}
