package atocore_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// seedExports adds exports, whole and without their first and last lines, and records
// that get in each other's way.
func seedExports(f *testing.F) {
	f.Helper()
	s := openFuzzed(f)
	ctx := f.Context()
	m, err := s.Remember(ctx, statement("one"))
	if err == nil {
		_, err = s.Supersede(ctx, m.ID, atocore.Memory{Content: "two"})
	}
	if err == nil {
		_, err = s.AddDocument(ctx, atocore.Document{Path: "a.md"}, "# A\n\nText.\n")
	}
	if err != nil {
		f.Fatal(err)
	}
	for _, o := range []atocore.ExportOptions{{}, {Journal: true}} {
		data := exported(f, s, &o)
		f.Add(data)
		f.Add([]byte(strings.Join(recordLines(data), "\n")))
	}
	for _, lines := range []string{
		`{"key":"k","memory":{"type":"knowledge","content":"x","project":"p","status":"superseded","superseded_by":"01kj5n8m00bbbbbbbbbbbbbbbb"}}`,
		`{"document":{"path":"a"},"text":"# x"}` + "\n" + `{"document":{"path":"a"},"original":"eA=="}` + "\n" + `{"probe":{"query":"q","project":"P"}}`,
		`{"state":{"project":"p","key":"k","value":"v"}}` + "\n" + `{"interaction":{"prompt":"p","turn":"1"}}` + "\n" + `{"project":{"name":"P","aliases":["p","q"]}}`,
		`{"key":"k","memory":{"type":"identity","content":"x"}}` + "\n" + `{"key":"k","memory":{"type":"identity","content":"y"}}` + "\n" + `{"key":"l","memory":{"type":"identity","content":"y"}}`,
	} {
		f.Add([]byte(lines))
	}
}

// openFuzzed opens a store that all inputs share: to open one takes longer than what
// is done with it.
func openFuzzed(f *testing.F) *atocore.Store {
	f.Helper()
	s, err := atocore.Open(f.Context(), f.TempDir(), &atocore.Options{CompileCache: cacheDir, NoEmbedder: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		checkStore(f, s)
		if err := s.Close(); err != nil {
			f.Error(err)
		}
	})
	return s
}

// FuzzReadRecords feeds bytes to the reader, which refuses them by an error that says
// where, or reads records that come out the same when they are written again.
func FuzzReadRecords(f *testing.F) {
	seedExports(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, err := range atocore.ReadRecords(bytes.NewReader(data)) {
			if err != nil && (!errors.Is(err, atocore.ErrInvalid) || len(err.Error()) > 1000) {
				t.Fatalf("got %v", err)
			}
		}
	})
}

// FuzzImport imports bytes: whatever they are, a second time adds nothing, a copy of
// the store is the same, and an undo takes all of it away.
func FuzzImport(f *testing.F) {
	seedExports(f)
	s, other := openFuzzed(f), openFuzzed(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx := context.Background()
		report, err := s.Import(ctx, atocore.ReadRecords(bytes.NewReader(data)), nil)
		if err != nil {
			if report.ID != "" {
				t.Fatalf("%v, and something was written", err)
			}
			return
		}
		again, err := s.Import(ctx, atocore.ReadRecords(bytes.NewReader(data)), nil)
		if err != nil || again.Added+again.Updated > 0 {
			t.Fatalf("a second time: %v, %+v, after %+v", err, again, report)
		}
		out := exported(t, s, nil)
		copied, err := other.Import(ctx, atocore.ReadRecords(bytes.NewReader(out)), nil)
		if err != nil || len(copied.Skipped)+copied.Unchanged+copied.Updated > 0 {
			t.Fatalf("a copy: %v, %+v", err, copied)
		}
		if d := cmp.Diff(recordLines(out), recordLines(exported(t, other, nil))); d != "" {
			t.Fatalf("the copy's export is another:\n%s", d)
		}
		for store, run := range map[*atocore.Store]atocore.ImportReport{s: report, other: copied} {
			if run.ID == "" {
				continue
			}
			if undone, err := store.UndoImport(ctx, run.ID); err != nil || len(undone.Kept) > 0 {
				t.Fatalf("undo: %v, %+v", err, undone)
			}
			if left := held(t, store); len(left) > 0 {
				t.Fatalf("left after the undo: %+v", left)
			}
			files, err := filepath.Glob(filepath.Join(store.Dir(), "files", "*", "*"))
			if err != nil || len(files) > 0 {
				t.Fatalf("originals are left after the undo: %v, %v", files, err)
			}
		}
		if len(data)%16 == 0 {
			checkStore(t, s)
			checkStore(t, other)
		}
	})
}
