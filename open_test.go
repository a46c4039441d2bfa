package atocore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// contents is every name below dir with what it holds.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil || d.IsDir() {
			out[rel] = "a directory"
			return err
		}
		data, err := os.ReadFile(name)
		out[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wantNoOpen holds Open to fail with target, where one is given, to name the path, and to leave
// everything below parent as it was.
func wantNoOpen(t *testing.T, parent, dir string, o *atocore.Options, target error) error {
	t.Helper()
	before := contents(t, parent)
	opts := atocore.Options{CompileCache: cacheDir}
	if o != nil {
		opts = *o
	}
	s, err := atocore.Open(t.Context(), dir, &opts)
	if err == nil {
		s.Close()
		t.Fatalf("Open(%s): no error, want one that is %v", dir, target)
	}
	if target != nil && !errors.Is(err, target) {
		t.Errorf("Open(%s): got error %v, want one that is %v", dir, err, target)
	}
	if !strings.Contains(err.Error(), filepath.Base(dir)) {
		t.Errorf("the error does not name %s: %v", filepath.Base(dir), err)
	}
	after := contents(t, parent)
	if len(before) != len(after) {
		t.Errorf("Open(%s) failed, and left other files: got %d, want %d", dir, len(after), len(before))
	}
	for name, data := range before {
		if after[name] != data {
			t.Errorf("Open(%s) failed, and changed %s", dir, name)
		}
	}
	return err
}

func TestOpenCreates(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "not", "there", "yet")
	wantNoOpen(t, parent, dir, &atocore.Options{NoCreate: true}, atocore.ErrNotFound)
	s := openStoreIn(t, dir, nil)
	if s.Dir() != dir {
		t.Errorf("Dir: got %q, want %q", s.Dir(), dir)
	}
	m := remember(t, s, statement("x"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		for _, name := range []string{dir, filepath.Join(dir, "atocore.db")} {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			if name == dir && info.Mode().Perm() != 0o700 {
				t.Errorf("%s has mode %v: others can read what was told in confidence", name, info.Mode())
			}
		}
	}
	if d := cmp.Diff([]string{"atocore.db", "atocore.lock"}, names(t, dir)); d != "" {
		t.Errorf("files of a closed store (-want +got):\n%s", d)
	}

	// There it is found again, by another name as well.
	t.Chdir(filepath.Join(parent, "not"))
	s = openStoreIn(t, filepath.Join("there", "..", "there", "yet"), &atocore.Options{NoCreate: true})
	if s.Dir() != dir {
		t.Errorf("Dir: got %q, want %q", s.Dir(), dir)
	}
	must(s.Memory(t.Context(), m.ID))(t)

	// A directory that is there and empty is no store either.
	empty := t.TempDir()
	wantNoOpen(t, empty, empty, &atocore.Options{NoCreate: true}, atocore.ErrNotFound)
}

func TestOpenWhatIsNoStore(t *testing.T) {
	parent := t.TempDir()
	write := func(name string, data []byte) string {
		t.Helper()
		dir := filepath.Join(parent, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "atocore.db"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	file := filepath.Join(parent, "file")
	if err := os.WriteFile(file, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantNoOpen(t, parent, file, nil, atocore.ErrForeign)
	wantNoOpen(t, parent, filepath.Join(file, "below"), nil, nil)

	random := make([]byte, 5000)
	for i := range random {
		random[i] = byte(i*i + i/7)
	}
	wantNoOpen(t, parent, write("random", random), nil, atocore.ErrForeign)
	wantNoOpen(t, parent, write("short", []byte("SQLite format 3\x00")), nil, atocore.ErrForeign)

	// A sound store, in different ways made into another's.
	made := t.TempDir()
	s := openStoreIn(t, made, nil)
	remember(t, s, statement("x"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(filepath.Join(made, "atocore.db"))
	if err != nil {
		t.Fatal(err)
	}
	header := func(at int, v uint32) []byte {
		data := append([]byte(nil), sound...)
		binary.BigEndian.PutUint32(data[at:], v)
		return data
	}
	wantNoOpen(t, parent, write("foreign", header(68, 0x47504b47)), nil, atocore.ErrForeign) // a map of another program
	wantNoOpen(t, parent, write("unmarked", header(68, 0)), nil, atocore.ErrForeign)
	err = wantNoOpen(t, parent, write("newer", header(60, 9999)), nil, atocore.ErrNewer)
	if !strings.Contains(err.Error(), "9999") {
		t.Errorf("the error does not say which version: %v", err)
	}
	dir := filepath.Join(parent, "directory")
	if err := os.MkdirAll(filepath.Join(dir, "atocore.db"), 0o755); err != nil {
		t.Fatal(err)
	}
	wantNoOpen(t, parent, dir, nil, atocore.ErrForeign)
}

func TestClose(t *testing.T) {
	dir := t.TempDir()
	s := openUnchecked(t, dir, nil)
	m := remember(t, s, statement("x"))
	for range 3 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	r := s.Retriever(nil)
	for name, call := range map[string]func() error{
		"Remember":    func() error { _, err := s.Remember(ctx, statement("y")); return err },
		"RememberAll": func() error { _, err := s.RememberAll(ctx, []atocore.Memory{statement("y")}); return err },
		"Memory":      func() error { _, err := s.Memory(ctx, m.ID); return err },
		"Memories":    func() error { _, err := first(s.Memories(ctx, atocore.MemoryFilter{})); return err },
		"Record":      func() error { _, err := s.Record(ctx, m.ID); return err },
		"History":     func() error { _, err := s.History(ctx, m.ID); return err },
		"Revise":      func() error { _, err := s.Revise(ctx, m.ID, "y"); return err },
		"Supersede":   func() error { _, err := s.Supersede(ctx, m.ID, statement("y")); return err },
		"Invalidate":  func() error { _, err := s.Invalidate(ctx, m.ID, "y"); return err },
		"Forget":      func() error { _, err := s.Forget(ctx, "", m.ID); return err },
		"AddProject":  func() error { _, err := s.AddProject(ctx, atocore.Project{Name: "p"}); return err },
		"Project":     func() error { _, err := s.Project(ctx, "p"); return err },
		"Projects":    func() error { _, err := s.Projects(ctx); return err },
		"SetState": func() error {
			_, err := s.SetState(ctx, atocore.StateEntry{Project: "p", Key: "k", Value: "v"})
			return err
		},
		"State":        func() error { _, err := s.State(ctx, atocore.StateFilter{}); return err },
		"UnsetState":   func() error { _, err := s.UnsetState(ctx, "p", "", "k"); return err },
		"Capture":      func() error { _, err := s.Capture(ctx, atocore.Interaction{Prompt: "p"}); return err },
		"Interactions": func() error { _, err := first(s.Interactions(ctx, atocore.InteractionFilter{})); return err },
		"AddDocument":  func() error { _, err := s.AddDocument(ctx, atocore.Document{Path: "a"}, "x"); return err },
		"Documents":    func() error { _, err := first(s.Documents(ctx, atocore.DocumentFilter{})); return err },
		"Journal":      func() error { _, err := first(s.Journal(ctx, 0)); return err },
		"Replay":       func() error { return s.Replay(ctx, entries(nil)) },
		"Digest":       func() error { _, err := s.Digest(ctx); return err },
		"Stats":        func() error { _, err := s.Stats(ctx); return err },
		"Check":        func() error { _, err := s.Check(ctx); return err },
		"Repair":       func() error { return s.Repair(ctx) },
		"EmbedPending": func() error { _, err := s.EmbedPending(ctx); return err },
		"Reindex":      func() error { return s.Reindex(ctx, nil) },
		"Search":       func() error { _, err := r.Search(ctx, atocore.Query{Text: "x"}); return err },
		"Context":      func() error { _, err := r.Context(ctx, atocore.ContextRequest{Prompt: "x"}); return err },
	} {
		if err := call(); !errors.Is(err, atocore.ErrClosed) {
			t.Errorf("%s after Close: got %v, want ErrClosed", name, err)
		}
	}
	s = openStoreIn(t, dir, nil)
	must(s.Memory(ctx, m.ID))(t)
}

// Calls that run while the store is closed finish, or say that it is closed;
// what was acknowledged is there.
func TestCloseWhileWriting(t *testing.T) {
	dir := t.TempDir()
	s := openUnchecked(t, dir, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var kept []string
	started := make(chan struct{}, 100)
	for i := range 8 {
		wg.Go(func() {
			for j := 0; ; j++ {
				m, err := s.Remember(context.Background(), statement(fmt.Sprintf("%d of %d", j, i)))
				if errors.Is(err, atocore.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				kept = append(kept, m.ID)
				mu.Unlock()
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 20 {
		<-started
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	s = openStoreIn(t, dir, nil)
	for _, id := range kept {
		must(s.Memory(t.Context(), id))(t)
	}
}

// Two that open a directory at once make one store.
func TestOpenRace(t *testing.T) {
	for range 5 {
		dir := filepath.Join(t.TempDir(), "store")
		var wg sync.WaitGroup
		ids := make([]string, 6)
		for i := range ids {
			wg.Go(func() {
				s, err := atocore.Open(context.Background(), dir, &atocore.Options{CompileCache: cacheDir})
				if err != nil {
					t.Error(err)
					return
				}
				m, err := s.Remember(context.Background(), statement("said by all"))
				if err = errors.Join(err, s.Close()); err != nil {
					t.Error(err)
				}
				ids[i] = m.ID
			})
		}
		wg.Wait()
		s := openStoreIn(t, dir, nil)
		got := collect(t, s.Memories(t.Context(), atocore.MemoryFilter{}))
		if len(got) != 1 || got[0].Reinforced != len(ids)-1 {
			t.Errorf("got %+v, want one memory, reinforced by the others", got)
		}
		for _, id := range ids {
			if id != got[0].ID {
				t.Errorf("one was told %q, want %q", id, got[0].ID)
			}
		}
	}
}
