package cli_test

import (
	"context"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/cli"
)

// TestBusy has a store written to for as long as it takes: Replay holds the
// write lock while it waits for its next entry.
func TestBusy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	_, _, cache := cli.Directories(runtime.GOOS, func(key string) string { return homes()[key] })
	store, err := atocore.Open(t.Context(), dir, &atocore.Options{NoEmbedder: true, CompileCache: cache})
	if err != nil {
		t.Fatal(err)
	}
	holds, release := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- store.Replay(t.Context(), func(func(atocore.JournalEntry, error) bool) {
			close(holds)
			<-release
		})
	}()
	select {
	case <-holds:
	case err := <-done:
		t.Fatalf("replay ended: %v", err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // enough to open the store
	defer cancel()
	var stderr strings.Builder
	exit := run(ctx, dir, nil, io.Discard, &stderr, "--json", "add", "knowledge", "Too late.")
	if exit != 5 || !strings.Contains(stderr.String(), `"code":"busy"`) {
		t.Errorf("exit code %d, want 5\n%s", exit, stderr.String())
	}

	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	stderr.Reset()
	if exit := run(t.Context(), dir, nil, io.Discard, &stderr, "add", "knowledge", "In time."); exit != 0 {
		t.Errorf("exit code %d, want 0\n%s", exit, stderr.String())
	}
}

// TestInterrupted has a command stopped before it can do anything: by a signal,
// as far as it can tell.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	reader, _ := io.Pipe() // standard input that never comes
	var stdout, stderr strings.Builder
	exit := run(ctx, filepath.Join(t.TempDir(), "store"), reader, &stdout, &stderr, "--json", "add", "knowledge", "-")
	if exit != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), `"code":"canceled"`) {
		t.Errorf("exit code %d, want 1\n%s%s", exit, stdout.String(), stderr.String())
	}
}
