package atocoretest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
)

func TestGenerated(t *testing.T) {
	t.Parallel()
	atocoretest.TestRoundTrip(t, nil)
}

// TestNoEmbedder takes a store through that has no vectors.
func TestNoEmbedder(t *testing.T) {
	t.Parallel()
	atocoretest.TestRoundTrip(t, &atocoretest.Options{Store: &atocore.Options{NoEmbedder: true}})
}

// little is a seed for drills that repeat a restore many times: one memory, one
// kept original.
func little(ctx context.Context, s *atocore.Store) error {
	_, err := s.Remember(ctx, atocore.Memory{Type: atocore.Knowledge, Content: "The key is under the mat."})
	if err != nil {
		return err
	}
	_, err = s.Ingest(ctx, fstest.MapFS{"a.md": {Data: []byte("# House\n\nThe meter is in the cellar.\n")}}, &atocore.IngestOptions{KeepOriginals: true})
	return err
}

var keyProbe = []atocore.Query{{Text: "where is the key", Mode: atocore.TextOnly}}

func TestFaults(t *testing.T) {
	t.Parallel()
	atocoretest.TestRoundTrip(t, &atocoretest.Options{Seed: little, Probes: keyProbe, Faults: true})
}

func TestKills(t *testing.T) {
	t.Parallel()
	atocoretest.TestRoundTrip(t, &atocoretest.Options{Kills: 10})
}

func TestMounts(t *testing.T) {
	t.Parallel()
	atocoretest.TestRoundTrip(t, &atocoretest.Options{Mounts: true})
}

// inStore does something to the store in a data directory.
func inStore(fn func(ctx context.Context, s *atocore.Store) error) func(dir string) error {
	return func(dir string) error {
		ctx := context.Background()
		s, err := atocore.Open(ctx, dir, &atocore.Options{CompileCache: cacheDir, NoCreate: true})
		if err != nil {
			return err
		}
		return errors.Join(fn(ctx, s), s.Close())
	}
}

var cacheDir = filepath.Join(os.TempDir(), "atocore-test-wasm")

// theMemory is that of little.
func theMemory(ctx context.Context, s *atocore.Store) (id string, err error) {
	for m, err := range s.Memories(ctx, atocore.MemoryFilter{}) {
		return m.ID, err
	}
	return "", errors.New("no memory")
}

// original is the one file under files/.
func original(dir string) (string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "files", "??", "*"))
	if err == nil && len(names) != 1 {
		err = errors.New("not one original")
	}
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// back makes the store what Mutate left.
func back(dir string) error {
	left := filepath.Join(filepath.Dir(dir), "left")
	for _, name := range []string{"atocore.db", "atocore.db-wal"} {
		content, err := os.ReadFile(filepath.Join(left, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bad are what a bad restore does, and what the drill has to say to it.
var bad = []struct {
	name string
	do   func(dir string) error
	want []string
}{
	{"loses a record", inStore(func(ctx context.Context, s *atocore.Store) error {
		id, err := theMemory(ctx, s)
		if err == nil {
			_, err = s.Forget(ctx, "", id)
		}
		return err
	}), []string{"Memories", "under the mat"}},
	{"changes a field", inStore(func(ctx context.Context, s *atocore.Store) error {
		id, err := theMemory(ctx, s)
		if err == nil {
			_, err = s.Reinforce(ctx, id)
		}
		return err
	}), []string{"Memories", "Reinforced"}},
	{"adds a record", inStore(func(ctx context.Context, s *atocore.Store) error {
		_, err := s.Capture(ctx, atocore.Interaction{Prompt: "Anybody there?", Response: "No."})
		return err
	}), []string{"Interactions", "Anybody there?"}},
	{"loses a probe, which is no record", inStore(func(ctx context.Context, s *atocore.Store) error {
		return s.RemoveProbe(ctx, atocore.Probe{Query: "where is the meter"})
	}), []string{"Probes", "where is the meter"}},
	{"leaves the changed store", back, []string{"after the snapshot"}},
	{"drops a file", func(dir string) error {
		name, err := original(dir)
		if err == nil {
			err = os.Remove(name)
		}
		return err
	}, []string{"original_missing"}},
	{"changes a file", func(dir string) error {
		name, err := original(dir)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(name)
		if err == nil {
			content[0] ^= 1
			err = os.WriteFile(name, content, 0o600)
		}
		return err
	}, []string{"Originals"}},
	{"damages the database", func(dir string) error {
		f, err := os.OpenFile(filepath.Join(dir, "atocore.db"), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(make([]byte, 64<<10), 8<<10)
		return errors.Join(err, f.Close())
	}, []string{"atocore.db"}},
	{"leaves no database", func(dir string) error { return os.Remove(filepath.Join(dir, "atocore.db")) }, []string{"not found"}},
}

func littleWithProbe(ctx context.Context, s *atocore.Store) error {
	_, err := s.AddProbe(ctx, atocore.Probe{Query: "where is the meter"})
	return errors.Join(little(ctx, s), err)
}

// TestBadRestores proves that each of them is found, and named.
func TestBadRestores(t *testing.T) {
	for _, test := range bad {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := &atocoretest.Options{Seed: littleWithProbe, Probes: keyProbe, Dir: t.TempDir()}
			done := false
			o.Tamper(func(dir string) error {
				if done {
					return nil
				}
				done = true
				return test.do(dir)
			})
			wantFailure(t, atocoretest.RoundTrip(t.Context(), o), o.Dir, test.want...)
		})
	}
}

// wantFailure wants an error with these words, and the stores to be kept.
func wantFailure(t *testing.T, err error, dir string, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("passes")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("does not say %q: %v", w, err)
		}
	}
	kept, globErr := filepath.Glob(filepath.Join(dir, "atocoretest-*"))
	if globErr != nil || len(kept) != 1 || !strings.Contains(err.Error(), kept[0]) {
		t.Errorf("%q are kept, and the error does not name them: %v", kept, err)
	}
}

// plain is how many restores come before faults, kills and mounts: one, and its
// undoing.
const plain = 2

func TestBadUndo(t *testing.T) {
	t.Parallel()
	o := &atocoretest.Options{Seed: little, Probes: keyProbe, Dir: t.TempDir()}
	restores := 0
	o.Tamper(func(dir string) error {
		if restores++; restores < plain {
			return nil
		}
		return inStore(func(ctx context.Context, s *atocore.Store) error {
			_, err := s.Remember(ctx, atocore.Memory{Type: atocore.Knowledge, Content: "This was not there."})
			return err
		})(dir)
	})
	wantFailure(t, atocoretest.RoundTrip(t.Context(), o), o.Dir, "undo", "This was not there.")
}

// TestBadInterrupted proves that what faults and kills leave is looked at: only
// the restores after the plain one are tampered with.
func TestBadInterrupted(t *testing.T) {
	tests := []struct {
		name string
		o    atocoretest.Options
		want string
	}{
		{"faults", atocoretest.Options{Faults: true}, "fault at file operation 0"},
		{"kills", atocoretest.Options{Kills: 2}, "a restore by a process of its own"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := test.o
			o.Seed, o.Probes, o.Dir = little, keyProbe, t.TempDir()
			restores := 0
			o.Tamper(func(dir string) error {
				if restores++; restores <= plain {
					return nil
				}
				return inStore(func(ctx context.Context, s *atocore.Store) error {
					_, err := s.Remember(ctx, atocore.Memory{Type: atocore.Knowledge, Content: "A page of each store."})
					return err
				})(dir)
			})
			wantFailure(t, atocoretest.RoundTrip(t.Context(), &o), o.Dir, test.want, "neither as the snapshot has it", "A page of each store.")
		})
	}
}

// TestBadMounted replaces the database by a copy, as a restore does that renames.
func TestBadMounted(t *testing.T) {
	t.Parallel()
	o := &atocoretest.Options{Seed: little, Probes: keyProbe, Mounts: true, Dir: t.TempDir()}
	restores := 0
	o.Tamper(func(dir string) error {
		if restores++; restores <= plain {
			return nil
		}
		name := filepath.Join(dir, "atocore.db")
		content, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(name+".new", content, 0o600)
		}
		if err == nil {
			err = os.Rename(name+".new", name)
		}
		return err
	})
	err := atocoretest.RoundTrip(t.Context(), o)
	if errors.Is(err, atocoretest.ErrNoMounts) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	wantFailure(t, err, o.Dir, "atocore.db is another file than before")
}

// TestNothingProven wants drills refused that could not fail.
func TestNothingProven(t *testing.T) {
	nothing := func(context.Context, *atocore.Store) error { return nil }
	failing := func(context.Context, *atocore.Store) error { return errors.New("no luck today") }
	tests := []struct {
		name string
		o    atocoretest.Options
		want string
	}{
		{"an empty seed", atocoretest.Options{Seed: nothing}, "seed: has left the store empty"},
		{"a seed that fails", atocoretest.Options{Seed: failing}, "seed: no luck today"},
		{"no change", atocoretest.Options{Seed: little, Mutate: nothing}, "mutate: has changed nothing"},
		{"a change that fails", atocoretest.Options{Seed: little, Mutate: failing}, "mutate: no luck today"},
		{"a probe without hits", atocoretest.Options{Seed: little, Probes: []atocore.Query{{Text: "zebra", Mode: atocore.TextOnly}}}, "finds nothing"},
		{"a probe that cannot be asked", atocoretest.Options{Seed: little, Probes: []atocore.Query{{Text: "key", Project: "nowhere"}}}, "nowhere"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := test.o
			o.Dir = t.TempDir()
			wantFailure(t, atocoretest.RoundTrip(t.Context(), &o), o.Dir, test.want)
		})
	}
}

// TestLeavesNothing wants a drill that passes to leave no directory, and a
// cancelled one to say so.
func TestLeavesNothing(t *testing.T) {
	o := &atocoretest.Options{Seed: little, Dir: t.TempDir()}
	if err := atocoretest.RoundTrip(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left: %v", left, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := atocoretest.RoundTrip(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// TestFill wants every field of every kind of record to be filled somewhere, and
// memories of every type in every status: a field that is added is to be taken
// through a restore as well.
func TestFill(t *testing.T) {
	s := atocoretest.NewStore(t, nil)
	if err := atocoretest.Fill(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	c, err := atocoretest.Read(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	filled(t, c.Memories)
	filled(t, c.Projects)
	filled(t, c.State)
	filled(t, c.Documents)
	filled(t, c.Chunks)
	filled(t, c.Interactions)
	filled(t, c.Journal)
	filled(t, c.Probes)
	kinds := map[string]bool{}
	for _, m := range c.Memories {
		kinds[string(m.Type)+" "+string(m.Status)] = true
	}
	if len(kinds) != 6*4 {
		t.Errorf("%d pairs of type and status, want 24: %v", len(kinds), kinds)
	}
	if len(c.Originals) == 0 || c.Vectors == 0 {
		t.Errorf("%d originals, %d vectors", len(c.Originals), c.Vectors)
	}
}

func filled[T any](t *testing.T, records []T) {
	t.Helper()
	var walk func(name string, values []reflect.Value)
	walk = func(name string, values []reflect.Value) {
		typ := values[0].Type()
		if typ.Kind() == reflect.Struct && typ.String() != "time.Time" {
			for i := range typ.NumField() {
				var fields []reflect.Value
				for _, v := range values {
					fields = append(fields, v.Field(i))
				}
				walk(name+"."+typ.Field(i).Name, fields)
			}
			return
		}
		for _, v := range values {
			if !v.IsZero() {
				return
			}
		}
		t.Errorf("%s is empty in all of %d records", name, len(values))
	}
	var values []reflect.Value
	for _, r := range records {
		values = append(values, reflect.ValueOf(r))
	}
	if len(values) == 0 {
		t.Errorf("no %T", records)
		return
	}
	walk(values[0].Type().Name(), values)
}

// TestCompare changes each part of what is compared, and wants it to be seen.
func TestCompare(t *testing.T) {
	s := atocoretest.NewStore(t, nil)
	if err := atocoretest.Fill(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	get := func() atocoretest.Contents {
		c, err := atocoretest.Read(t.Context(), s, []atocore.Query{{Text: "what becomes superseded"}})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a := get()
	b := get()
	if equal, diff := atocoretest.Compare(&a, &b); !equal || diff != "" {
		t.Fatalf("a store does not equal itself: %s", diff)
	}
	typ := reflect.TypeFor[atocoretest.Contents]()
	for i := range typ.NumField() {
		c := get()
		f := reflect.ValueOf(&c).Elem().Field(i)
		switch f.Kind() {
		case reflect.Slice:
			if f.Len() == 0 { // findings
				f.Set(reflect.MakeSlice(f.Type(), 1, 1))
				break
			}
			f.Set(f.Slice(1, f.Len()))
		case reflect.Map:
			key := f.MapKeys()[0]
			f.SetMapIndex(key, reflect.Zero(f.Type().Elem()))
		case reflect.Int:
			f.SetInt(f.Int() + 1)
		case reflect.String:
			f.SetString(f.String() + "x")
		default:
			t.Errorf("%s is a %s", typ.Field(i).Name, f.Kind())
		}
		if equal, diff := atocoretest.Compare(&a, &c); equal || !strings.Contains(diff, typ.Field(i).Name) {
			t.Errorf("%s is another: equal is %v, and the difference\n%s", typ.Field(i).Name, equal, diff)
		}
	}
}
