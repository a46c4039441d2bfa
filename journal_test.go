package atocore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// Every mutation is one entry for each record that it changes.
func TestEveryMutationIsJournaled(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now, Actor: "tests"})
	ctx := t.Context()
	seq := int64(0)
	// step runs one mutation, and holds the journal to have these entries from
	// it: op, entity, and whether there is a before and an after.
	step := func(name string, fn func() error, want ...string) {
		t.Helper()
		clk.advance(time.Minute)
		if err := fn(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, e := range collect(t, s.Journal(ctx, seq)) {
			b, a := "-", "-"
			if e.Before != nil {
				b = "b"
			}
			if e.After != nil {
				a = "a"
			}
			got = append(got, fmt.Sprintf("%s %s %s%s", e.Op, e.Entity, b, a))
			if !e.Time.Equal(clk.now()) || e.Actor != "tests" {
				t.Errorf("%s: entry by %q at %v, want by tests at %v", name, e.Actor, e.Time, clk.now())
			}
			seq = e.Seq
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	var m, n atocore.Memory
	var d atocore.Document
	var i atocore.Interaction
	var e atocore.StateEntry
	step("AddProject", func() (err error) {
		_, err = s.AddProject(ctx, atocore.Project{Name: "harbour"})
		return err
	}, "project project -a")
	step("AddProject, an alias", func() (err error) {
		_, err = s.AddProject(ctx, atocore.Project{Name: "Harbour", Aliases: []string{"hbr"}})
		return err
	}, "project project ba")
	step("Remember", func() (err error) { m, err = s.Remember(ctx, statement("one")); return err }, "remember memory -a")
	step("Remember again", func() (err error) { _, err = s.Remember(ctx, statement("one")); return err }, "reinforce memory ba")
	step("Revise", func() (err error) { _, err = s.Revise(ctx, m.ID, "two"); return err }, "revise memory ba")
	step("Reinforce", func() (err error) { _, err = s.Reinforce(ctx, m.ID); return err }, "reinforce memory ba")
	step("Supersede", func() (err error) {
		n, err = s.Supersede(ctx, m.ID, atocore.Memory{Content: "three"})
		return err
	}, "supersede memory ba", "remember memory -a")
	step("Invalidate", func() (err error) { _, err = s.Invalidate(ctx, n.ID, "no"); return err }, "invalidate memory ba")
	step("Remember a candidate", func() (err error) {
		n, err = s.Remember(ctx, atocore.Memory{Type: atocore.Knowledge, Content: "four", Status: atocore.Candidate})
		return err
	}, "remember memory -a")
	step("Promote", func() (err error) { _, err = s.Promote(ctx, n.ID); return err }, "promote memory ba")
	set := func(v string) func() error {
		return func() (err error) {
			e, err = s.SetState(ctx, atocore.StateEntry{Project: "hbr", Key: "k", Value: v})
			return err
		}
	}
	step("SetState", set("1"), "set state -a")
	step("SetState, another", set("2"), "set state ba")
	step("SetState, the same", set("2"))
	step("UnsetState", func() (err error) { _, err = s.UnsetState(ctx, "hbr", "", "k"); return err }, "unset state b-")
	step("AddDocument", func() (err error) {
		d, err = s.AddDocument(ctx, atocore.Document{Path: "a.md"}, "# A\n\ntext\n")
		return err
	}, "ingest document -a")
	step("AddDocument, changed", func() (err error) {
		_, err = s.AddDocument(ctx, atocore.Document{Path: "a.md"}, "# A\n\nother text\n")
		return err
	}, "ingest document ba")
	step("AddDocument, the same", func() (err error) {
		_, err = s.AddDocument(ctx, atocore.Document{Path: "a.md"}, "# A\n\nother text\n")
		return err
	})
	folder := fstest.MapFS{"x.md": {Data: []byte("# X\n\nfirst\n")}, "y.txt": {Data: []byte("second\n")}}
	ingest := func() error {
		_, err := s.Ingest(ctx, folder, &atocore.IngestOptions{Origin: "folder", Prune: true})
		return err
	}
	step("Ingest", ingest, "ingest document -a", "ingest document -a")
	step("Ingest, the same", ingest)
	folder["z.md"] = folder["x.md"]
	delete(folder, "x.md")
	delete(folder, "y.txt")
	step("Ingest, renamed and removed", ingest, "rename document ba", "remove document b-")
	capture := func() (err error) {
		i, err = s.Capture(ctx, atocore.Interaction{Prompt: "p", Response: "r", Turn: "1"})
		return err
	}
	step("Capture", capture, "capture interaction -a")
	step("Capture, the same turn", capture)
	step("Forget", func() (err error) {
		_, err = s.Forget(ctx, "", m.ID, e.ID, d.ID, i.ID)
		return err
	}, "relink memory ba", "forget tombstone -a", "forget tombstone -a", "forget tombstone -a", "forget tombstone -a")

	for _, read := range []func() error{
		func() error { _, err := s.Check(ctx); return err },
		func() error { return s.Repair(ctx) },
		func() error { return s.Reindex(ctx, nil) },
		func() error { _, err := s.EmbedPending(ctx); return err },
	} {
		step("what only mends the index", read)
	}
	// Those of one record, at most one of them in each transaction.
	for _, e := range collect(t, s.Journal(ctx, 0)) {
		if e.Seq < 1 || e.Seq > seq {
			t.Errorf("seq %d is out of order", e.Seq)
		}
	}
}

// filled returns a T whose every field has a value that no other has, counted
// from n. The values are ones that a store takes; those of fixed fields are
// given.
func filled[T any](t *testing.T, n int, fixed map[string]any) T {
	t.Helper()
	var v T
	fill(t, reflect.ValueOf(&v).Elem(), "", &n, fixed)
	return v
}

func fill(t *testing.T, v reflect.Value, name string, n *int, fixed map[string]any) {
	t.Helper()
	if f, ok := fixed[name]; ok {
		v.Set(reflect.ValueOf(f).Convert(v.Type()))
		return
	}
	*n++
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2026, 1, 1, 0, 0, *n, 1000*(*n), time.UTC)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("%s-%d <é>", strings.ToLower(name), *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(1000 + *n))
	case reflect.Float64:
		v.SetFloat(1 / float64(1+*n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(t, v.Index(i), fmt.Sprintf("%s%d", name, i), n, fixed)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for i := range 2 {
			k := reflect.New(v.Type().Key()).Elem()
			e := reflect.New(v.Type().Elem()).Elem()
			fill(t, k, fmt.Sprintf("%skey%d", name, i), n, fixed)
			fill(t, e, fmt.Sprintf("%svalue%d", name, i), n, fixed)
			v.SetMapIndex(k, e)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				t.Fatalf("field %s of %s is not exported: the test cannot fill it", f.Name, v.Type())
			}
			fill(t, v.Field(i), f.Name, n, fixed)
		}
	default:
		t.Fatalf("field %s is a %s, which the test cannot fill", name, v.Type())
	}
}

// entries makes a journal of its own.
func entries(all []atocore.JournalEntry) iter.Seq2[atocore.JournalEntry, error] {
	return func(yield func(atocore.JournalEntry, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// A wholeDocument is a document as the journal has it.
type wholeDocument struct {
	atocore.Document
	Pieces []atocore.Chunk `json:"pieces,omitempty"`
}

// readEntity reads a record as the journal has it; found is false where it is
// not there.
func readEntity(t *testing.T, s *atocore.Store, entity, id string) (v any, found bool) {
	t.Helper()
	var err error
	switch entity {
	case "project":
		v, err = s.Project(t.Context(), id)
	case "document":
		var d wholeDocument
		if d.Document, err = s.Document(t.Context(), id); err == nil {
			d.Pieces, err = s.Chunks(t.Context(), id)
		}
		v = d
	default:
		v, err = s.Record(t.Context(), id)
	}
	if errors.Is(err, atocore.ErrNotFound) {
		return nil, false
	}
	if err != nil {
		t.Fatal(err)
	}
	return v, true
}

func asJSON(t *testing.T, v any) json.RawMessage {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Every field of every record survives being written, read, journaled and
// replayed. A field that is added to a type and forgotten in its statements
// fails here.
func TestNoFieldIsLost(t *testing.T) {
	const project, document = "the project", "01hdocument000000000000000"
	// version makes one record of each kind; those of two versions differ in
	// every field but what a record cannot change.
	version := func(n int) map[string]any {
		created := time.Date(2026, 2, 1, 0, 0, 0, 1000, time.UTC)
		statuses := map[int]string{0: "superseded", 500: "candidate"}
		d := wholeDocument{Document: filled[atocore.Document](t, n, map[string]any{
			"ID": document, "Project": project, "SHA256": fmt.Sprintf("%064x", n+1), "Chunks": 2, "Kept": n == 0})}
		for i := range 2 {
			ch := filled[atocore.Chunk](t, n+100*i, map[string]any{"ID": fmt.Sprintf("%s.%d", document, i), "Document": document})
			ch.Ordinal = i
			d.Pieces = append(d.Pieces, ch)
		}
		all := map[string]any{
			"project":  filled[atocore.Project](t, n, map[string]any{"Name": project, "CreatedAt": created}),
			"memory":   filled[atocore.Memory](t, n, map[string]any{"ID": "m", "Project": project, "Type": "episodic", "Status": statuses[n]}),
			"state":    filled[atocore.StateEntry](t, n, map[string]any{"ID": "s", "Project": project, "Category": "c", "Key": "k", "CreatedAt": created}),
			"document": d,
		}
		all["interaction"] = filled[atocore.Interaction](t, n, map[string]any{"ID": "i", "Project": project})
		return all
	}
	ids := map[string]string{"project": project, "memory": "m", "state": "s", "document": document, "interaction": "i"}

	var journal []atocore.JournalEntry
	for _, n := range []int{0, 500} {
		all := version(n)
		for _, entity := range []string{"project", "memory", "state", "interaction", "document"} {
			v, ok := all[entity]
			if !ok {
				continue
			}
			e := filled[atocore.JournalEntry](t, 10*len(journal), map[string]any{"Entity": entity, "EntityID": ids[entity], "Before": []byte(`{"x":1}`), "After": []byte(asJSON(t, v))})
			e.Seq = int64(10 * (len(journal) + 1)) // with gaps
			journal = append(journal, e)
		}
	}

	// Not checked at the end: the originals are not there.
	replay := func(all []atocore.JournalEntry) *atocore.Store {
		t.Helper()
		s := openUnchecked(t, t.TempDir(), nil)
		if err := s.Replay(t.Context(), entries(all)); err != nil {
			t.Fatal(err)
		}
		got := collect(t, s.Journal(t.Context(), 0))
		if d := cmp.Diff(all, got); d != "" {
			t.Errorf("journal after Replay (-written +read):\n%s", d)
		}
		return s
	}
	hold := func(s *atocore.Store, want map[string]any) {
		t.Helper()
		for entity, v := range want {
			got, _ := readEntity(t, s, entity, ids[entity])
			if d := cmp.Diff(v, got); d != "" {
				t.Errorf("%s (-written +read):\n%s", entity, d)
			}
		}
		for _, ch := range want["document"].(wholeDocument).Pieces {
			if d := cmp.Diff(any(ch), must(s.Record(t.Context(), ch.ID))(t)); d != "" {
				t.Errorf("a chunk by its ID (-written +read):\n%s", d)
			}
		}
	}
	first := replay(journal[:5])
	hold(first, version(0))
	second := replay(journal)
	hold(second, version(500))

	// The store's own journal, as JSON and back.
	var carried []atocore.JournalEntry
	if err := json.Unmarshal(asJSON(t, collect(t, second.Journal(t.Context(), 0))), &carried); err != nil {
		t.Fatal(err)
	}
	third := replay(carried)
	hold(third, version(500))
	if digest(t, third) != digest(t, second) {
		t.Error("a journal that went through JSON gives another digest")
	}
}

// A script does random things to a store, the same ones for the same seed.
type script struct {
	s       *atocore.Store
	clk     *clock
	rng     *rand.Rand
	folder  fstest.MapFS
	forgets bool
	ids     []string // of every record there was
	done    map[string]int
}

func (x *script) pick(of ...string) string { return of[x.rng.IntN(len(of))] }

func (x *script) id() string {
	if len(x.ids) == 0 {
		return "none"
	}
	return x.ids[x.rng.IntN(len(x.ids))]
}

// text is one of few, so that the same is said again.
func (x *script) text() string {
	return fmt.Sprintf("%s %s %d%s", x.pick("The bridge", "Ferry", "Кран", "渡口"), x.pick("opens at", "costs <b>", "lifts & holds"), x.rng.IntN(12), x.pick("", ".", " "))
}

func (x *script) project() string { return x.pick("", "", "harbour", "HBR", "mill") }

func (x *script) memory() atocore.Memory {
	m := atocore.Memory{
		Type: atocore.MemoryType(x.pick("identity", "knowledge", "episodic")), Content: x.text(), Project: x.project(),
		Status: atocore.Status(x.pick("", "active", "candidate")), Confidence: float64(x.rng.IntN(5)) / 4,
	}
	if x.rng.IntN(2) == 0 {
		m.Tags = []string{x.pick("a", "b"), x.pick("b", "c")}
		m.Metadata = map[string]string{"n": x.pick("1", "2")}
		m.Provenance.Speaker = x.pick("", "Ada")
	}
	if x.rng.IntN(3) == 0 {
		m.ValidFrom = x.clk.now().Add(time.Duration(x.rng.IntN(100)-80) * time.Hour)
		m.ValidUntil = m.ValidFrom.Add(time.Duration(1+x.rng.IntN(100)) * time.Hour)
	}
	return m
}

// records are some as another program has them, and some as another store does.
func (x *script) records() (out []atocore.Record) {
	for range 1 + x.rng.IntN(4) {
		r := atocore.Record{Key: x.pick("", "1", "2", "3")}
		switch x.rng.IntN(6) {
		case 0:
			r.State = &atocore.StateEntry{Project: x.pick("mill", "made"), Key: x.pick("a", "b"), Value: x.text()}
		case 1:
			r.Document, r.Text = &atocore.Document{Path: x.pick("a.md", "c.md"), Project: x.project()}, "# "+x.text()+"\n\n"+strings.Repeat(x.text()+"\n\n", x.rng.IntN(60))
		case 2:
			r.Interaction = &atocore.Interaction{Prompt: x.text(), Session: "s", Turn: x.pick("", "1", "4"), Project: x.pick("", "made")}
		case 3:
			r.Project = &atocore.Project{Name: x.pick("made", "mill"), Aliases: []string{x.pick("md", "m1")}, Description: x.pick("", "text")}
		default:
			m := x.memory()
			r.Memory = &m
			if m.Tags != nil {
				m.CreatedAt = x.clk.now()
			}
			if m, err := x.s.Memory(context.Background(), x.id()); err == nil && r.Key == "" {
				m.Content, m.UpdatedAt = x.text(), x.clk.now().Add(time.Duration(x.rng.IntN(3)-1)*time.Hour)
				r.Memory = &m
			}
		}
		out = append(out, r)
	}
	return out
}

// step does one thing. What the store refuses as it is stated to is no error.
func (x *script) step(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	op := x.pick("remember", "remember", "remember", "batch", "revise", "promote", "reinforce", "invalidate", "supersede", "supersede",
		"set", "set", "unset", "project", "document", "ingest", "capture", "import", "import", "undo", "forget")
	var err error
	switch op {
	case "remember":
		_, err = x.s.Remember(ctx, x.memory())
	case "batch":
		_, err = x.s.RememberAll(ctx, []atocore.Memory{x.memory(), x.memory(), x.memory()})
	case "revise":
		_, err = x.s.Revise(ctx, x.id(), x.text())
	case "promote":
		_, err = x.s.Promote(ctx, x.id())
	case "reinforce":
		_, err = x.s.Reinforce(ctx, x.id())
	case "invalidate":
		_, err = x.s.Invalidate(ctx, x.id(), x.text())
	case "supersede":
		m := x.memory()
		m.Status = ""
		_, err = x.s.Supersede(ctx, x.id(), m)
	case "set":
		_, err = x.s.SetState(ctx, atocore.StateEntry{Project: x.pick("harbour", "mill"), Category: x.pick("", "c"), Key: x.pick("a", "b"), Value: x.text(), Source: x.pick("", "s")})
	case "unset":
		_, err = x.s.UnsetState(ctx, x.pick("harbour", "mill"), x.pick("", "c"), x.pick("a", "b"))
	case "project":
		_, err = x.s.AddProject(ctx, atocore.Project{Name: x.pick("mill", "Harbour"), Aliases: []string{x.pick("hbr", "m1", "M2")}, Description: x.pick("", "text")})
	case "document":
		_, err = x.s.AddDocument(ctx, atocore.Document{Path: x.pick("a.md", "b.md"), Project: x.project(), Tags: []string{x.pick("a", "b")}}, "# "+x.text()+"\n\n"+strings.Repeat(x.text()+"\n\n", x.rng.IntN(60)))
	case "ingest":
		name := x.pick("x.md", "y.md", "sub/z.txt")
		if x.rng.IntN(3) == 0 {
			delete(x.folder, name)
		} else {
			x.folder[name] = &fstest.MapFile{Data: []byte("# " + x.text() + "\n\nsome text\n")}
		}
		_, err = x.s.Ingest(ctx, x.folder, &atocore.IngestOptions{Origin: "folder", Project: x.project(), Prune: x.rng.IntN(2) == 0})
	case "capture":
		_, err = x.s.Capture(ctx, atocore.Interaction{Prompt: x.text(), Response: x.text(), Project: x.project(), Turn: x.pick("", "1", "2", "3"), Session: x.pick("s", "t")})
	case "import":
		_, err = x.s.Import(ctx, sequence(x.records()...), &atocore.ImportOptions{From: x.pick("jsonl", "x"), Project: x.pick("", "", "made"), DryRun: x.rng.IntN(5) == 0})
	case "undo":
		run := ""
		if all := must(x.s.Imports(ctx))(t); len(all) > 0 {
			run = all[x.rng.IntN(len(all))].ID
		}
		_, err = x.s.UndoImport(ctx, run)
	case "forget":
		if !x.forgets {
			return
		}
		_, err = x.s.Forget(ctx, "reason", x.id())
	}
	switch {
	case err == nil:
		x.done[op]++
	case !errors.Is(err, atocore.ErrConflict) && !errors.Is(err, atocore.ErrNotFound) && !errors.Is(err, atocore.ErrInvalid):
		t.Fatalf("%s: %v", op, err)
	}
	x.clk.advance(time.Duration(x.rng.IntN(3)) * time.Hour) // often none
}

// Replaying the journal gives the store again, up to any entry, and each entry
// has the record as it was then.
func TestReplayOfRandomJournals(t *testing.T) {
	seeds := []uint64{1, 2}
	if testing.Short() {
		seeds = seeds[:1]
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { testReplay(t, seed) })
	}
}

func testReplay(t *testing.T, seed uint64) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now, Durability: atocore.Normal})
	addProject(t, s, "harbour", "hbr")
	addProject(t, s, "mill")
	x := &script{s: s, clk: clk, rng: rand.New(rand.NewPCG(seed, 7)), folder: fstest.MapFS{}, done: map[string]int{}}

	seen := map[int64]json.RawMessage{} // the record, after each entry that was the last about it in its transaction
	digests := map[int64]string{}
	seq := int64(0)
	// follow holds the entries of a step against the records as they are now.
	follow := func() {
		t.Helper()
		type key struct{ entity, id string }
		last := map[key]atocore.JournalEntry{}
		for _, e := range collect(t, s.Journal(t.Context(), seq)) {
			last[key{e.Entity, e.EntityID}] = e
			seq = e.Seq
			if e.Entity != "tombstone" && e.Entity != "project" && e.Entity != "import" {
				x.ids = append(x.ids, e.EntityID)
			}
		}
		for k, e := range last {
			if k.entity == "tombstone" || k.entity == "import" {
				continue
			}
			v, found := readEntity(t, s, k.entity, k.id)
			if found != (e.After != nil) {
				t.Fatalf("%s %s, %s: found is %v, the entry says %s", k.entity, k.id, e.Op, found, e.After)
			}
			if found {
				if d := cmp.Diff(string(asJSON(t, v)), string(e.After)); d != "" {
					t.Fatalf("%s %s, %s (-record +journal):\n%s", k.entity, k.id, e.Op, d)
				}
				seen[e.Seq] = e.After
			}
		}
	}
	for range 220 {
		x.step(t)
		follow()
		if x.rng.IntN(60) == 0 {
			digests[seq] = digest(t, s)
		}
	}
	digests[seq] = digest(t, s)
	journal := collect(t, s.Journal(t.Context(), 0))
	for at, want := range digests {
		i, _ := slices.BinarySearchFunc(journal, at, func(e atocore.JournalEntry, at int64) int { return int(e.Seq - at) })
		again := openStore(t, &atocore.Options{NoEmbedder: true, Durability: atocore.Normal})
		if err := again.Replay(t.Context(), entries(journal[:i+1])); err != nil {
			t.Fatal(err)
		}
		if got := digest(t, again); got != want {
			t.Errorf("replay up to entry %d: got digest %s, want %s", at, got, want)
		}
	}

	x.forgets = true
	for range 150 {
		x.step(t)
		follow()
	}
	forgotten := map[string]bool{}
	for _, e := range collect(t, s.Journal(t.Context(), 0)) {
		if e.Entity == "tombstone" {
			forgotten[e.EntityID] = true
		}
	}
	for _, e := range collect(t, s.Journal(t.Context(), 0)) {
		switch want, ok := seen[e.Seq]; {
		case forgotten[e.EntityID] && e.Entity != "tombstone":
			if e.Before != nil || e.After != nil {
				t.Errorf("entry %d is about a forgotten record and has its content", e.Seq)
			}
		case ok && string(e.After) != string(want):
			t.Errorf("entry %d has changed: got %s, want %s", e.Seq, e.After, want)
		}
	}
	again := openStore(t, &atocore.Options{Durability: atocore.Normal, Now: clk.now})
	if err := again.Replay(t.Context(), s.Journal(t.Context(), 0)); err != nil {
		t.Fatal(err)
	}
	if got, want := digest(t, again), digest(t, s); got != want {
		t.Errorf("replay with what was forgotten: got digest %s, want %s", got, want)
	}
	// What is derived is the same, too.
	q := atocore.Query{Text: "when does the ferry open, what does it cost"}
	if d := cmp.Diff(hitIDs(t, s, q), hitIDs(t, again, q)); d != "" {
		t.Errorf("search after replay (-original +replayed):\n%s", d)
	}
	for _, op := range []string{"remember", "batch", "revise", "promote", "reinforce", "invalidate", "supersede", "set", "unset", "project", "document", "ingest", "capture", "import", "undo", "forget"} {
		if x.done[op] == 0 {
			t.Errorf("%s never succeeded: the test shows nothing about it", op)
		}
	}
}

func hitIDs(t *testing.T, s *atocore.Store, q atocore.Query) []string {
	t.Helper()
	var ids []string
	for _, h := range must(s.Retriever(nil).Search(t.Context(), q))(t).Hits {
		ids = append(ids, h.ID)
	}
	return ids
}

func TestReplayRefuses(t *testing.T) {
	ctx := t.Context()
	s := openStore(t, nil)
	addProject(t, s, "harbour")
	m := remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "x", Project: "harbour"})
	must(s.Forget(ctx, "", m.ID))(t)
	remember(t, s, statement("y"))
	journal := collect(t, s.Journal(ctx, 0))

	wantUnchanged(t, s, atocore.ErrConflict, func() error { return s.Replay(ctx, entries(journal)) })

	empty := openStore(t, nil)
	errStop := errors.New("stop")
	wantUnchanged(t, empty, errStop, func() error {
		return empty.Replay(ctx, func(yield func(atocore.JournalEntry, error) bool) {
			if yield(journal[0], nil) {
				yield(atocore.JournalEntry{}, errStop)
			}
		})
	})
	spoil := func(target error, fn func(all []atocore.JournalEntry)) {
		t.Helper()
		all := slices.Clone(journal)
		fn(all)
		if err := wantUnchanged(t, empty, target, func() error { return empty.Replay(ctx, entries(all)) }); err != nil && !strings.Contains(err.Error(), "entry") {
			t.Errorf("the error does not name the entry: %v", err)
		}
	}
	last := len(journal) - 1
	spoil(atocore.ErrInvalid, func(all []atocore.JournalEntry) { all[last].After = json.RawMessage(`{"id":`) })
	spoil(atocore.ErrInvalid, func(all []atocore.JournalEntry) { all[last].After = json.RawMessage(`{"id": 7}`) })
	spoil(atocore.ErrInvalid, func(all []atocore.JournalEntry) { all[last].Entity = "spell" })
	spoil(atocore.ErrCorrupt, func(all []atocore.JournalEntry) { all[0].After = nil })
	spoil(atocore.ErrInvalid, func(all []atocore.JournalEntry) {
		all[last].Entity, all[last].After = "document", json.RawMessage(`{"id":"d","path":"a","kept":true,"sha256":"../../x"}`)
	})
	// One that contradicts another: the engine's constraints have the last word.
	spoil(atocore.ErrInvalid, func(all []atocore.JournalEntry) { all[last].Seq = all[0].Seq })
	spoil(atocore.ErrInvalid, func(all []atocore.JournalEntry) {
		all[last].After = json.RawMessage(strings.Replace(string(all[last].After), `"knowledge"`, `"note"`, 1))
	})
	if err := empty.Replay(ctx, entries(journal)); err != nil {
		t.Errorf("after all that was refused: %v", err)
	}
	if digest(t, empty) != digest(t, s) {
		t.Error("the digests differ")
	}
}
