package cli_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/cli"
)

// A store that a process has open is not restored and not drilled in place, the
// message says who has it, and everything else works meanwhile.
func TestRestoreInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	_, _, cache := cli.Directories(runtime.GOOS, func(key string) string { return homes()[key] })
	store, err := atocore.Open(t.Context(), dir, &atocore.Options{CompileCache: cache})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Remember(t.Context(), atocore.Memory{Type: atocore.Knowledge, Content: "The ferry leaves on Tuesdays."}); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"backup", "create"}, {"backup", "list"}, {"backup", "validate", "latest"}, {"backup", "drill"}, {"backup", "drill", "latest"},
		{"backup", "prune", "--keep-last", "1"},
	} {
		var stderr strings.Builder
		if exit := run(t.Context(), dir, nil, io.Discard, &stderr, args...); exit != 0 {
			t.Errorf("%v: exit code %d\n%s", args, exit, stderr.String())
		}
	}
	for _, args := range [][]string{
		{"backup", "restore", "latest", "--confirm-service-stopped"},
		{"backup", "drill", "--in-place", "--confirm-service-stopped"},
	} {
		var stdout, stderr strings.Builder
		exit := run(t.Context(), dir, nil, &stdout, &stderr, append(args, "--json")...)
		holder := fmt.Sprintf("pid %d (%s", os.Getpid(), filepath.Base(os.Args[0]))
		if exit != 5 || stdout.Len() > 0 || !strings.Contains(stderr.String(), `"code":"in_use"`) ||
			!strings.Contains(stderr.String(), holder) || !strings.Contains(stderr.String(), "since ") {
			t.Errorf("%v: exit code %d, want 5 and %q\n%s%s", args, exit, holder, stdout.String(), stderr.String())
		}
	}
}

// What is interrupted says so, and leaves no snapshot behind.
func TestBackupInterrupted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if exit := run(t.Context(), dir, nil, io.Discard, io.Discard, "add", "knowledge", "The ferry leaves on Tuesdays."); exit != 0 {
		t.Fatalf("exit code %d", exit)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"backup", "create"}, {"backup", "drill"}, {"backup", "restore", "latest", "--confirm-service-stopped"}} {
		var stdout, stderr strings.Builder
		if exit := run(ctx, dir, nil, &stdout, &stderr, append(args, "--json")...); exit != 1 && exit != 3 || stdout.Len() > 0 {
			t.Errorf("%v: exit code %d\n%s%s", args, exit, stdout.String(), stderr.String())
		}
	}
	var stdout strings.Builder
	if exit := run(t.Context(), dir, nil, &stdout, io.Discard, "backup", "list", "--json"); exit != 0 || stdout.String() != "{\"snapshots\":[]}\n" {
		t.Errorf("exit code %d: %s", exit, stdout.String())
	}
}
