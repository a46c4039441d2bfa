package atocore_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// An undo takes away what the run added and gives back what it updated; what has been
// changed since stays.
func TestUndoImport(t *testing.T) {
	clk := newClock()
	dir := t.TempDir()
	s := openStoreIn(t, dir, &atocore.Options{Now: clk.now, Actor: "tests"})
	ctx := t.Context()
	addProject(t, s, "harbour", "hbr")
	must(s.AddDocument(ctx, atocore.Document{Path: "known.md"}, "# Known\n\nFirst.\n\n# Part\n\nSecond.\n"))(t)
	old := remember(t, s, statement("The ferry leaves on Tuesdays."))
	was, wasDigest := held(t, s), digest(t, s)

	records := func() []atocore.Record {
		ferry := old
		ferry.Content, ferry.UpdatedAt = "The ferry leaves on Thursdays.", clk.now().Add(time.Hour)
		return []atocore.Record{
			{Project: &atocore.Project{Name: "mill", Aliases: []string{"ml"}}},
			{Project: &atocore.Project{Name: "harbour", Aliases: []string{"port"}, Description: "Ships."}},
			{Memory: &ferry},
			// It stands where the other one stood.
			keyed("tuesdays", "The ferry leaves on Tuesdays."),
			keyed("revised", "will be revised"), keyed("said again", "will be said again"), keyed("forgotten", "will be forgotten"),
			{Key: "doc", Document: &atocore.Document{Path: "known.md"}, Text: "# Known\n\nThird.\n"},
			{Key: "new", Document: &atocore.Document{Path: "new.txt", MediaType: atocore.MediaText, Project: "mill"}, Original: []byte("A new one.")},
			{Key: "state", State: &atocore.StateEntry{Project: "made", Key: "k", Value: "v"}},
			{Key: "unset", State: &atocore.StateEntry{Project: "harbour", Key: "k", Value: "v"}},
			{Key: "said", Interaction: &atocore.Interaction{Prompt: "p", Response: "r", Project: "mill"}},
			{Probe: &atocore.Probe{Query: "when", Project: "mill"}},
		}
	}
	clk.advance(time.Minute)
	report, each := outcome(t, s, atocore.ImportOptions{From: "jsonl", Source: "notes.jsonl"}, records()...)
	if report.Added != 10 || report.Updated != 3 {
		t.Fatalf("import %+v\n%s", report, strings.Join(each, "\n"))
	}
	run := atocore.ImportRun{ID: report.ID, From: "jsonl", Source: "notes.jsonl", Time: clk.now(), Records: 13}
	if d := cmp.Diff([]atocore.ImportRun{run}, must(s.Imports(ctx))(t)); d != "" {
		t.Errorf("imports (-want +got):\n%s", d)
	}

	clk.advance(time.Minute)
	all := memories(t, s)
	revised := must(s.Revise(ctx, all["will be revised"].ID, "revised"))(t)
	again := must(s.Reinforce(ctx, all["will be said again"].ID))(t)
	must(s.Forget(ctx, "", all["will be forgotten"].ID))(t)
	must(s.UnsetState(ctx, "harbour", "", "k"))(t)
	undone := must(s.UndoImport(ctx, ""))(t)
	want := atocore.UndoReport{ID: report.ID, Removed: 7, Restored: 3, Kept: []atocore.SkippedRecord{
		{Key: again.ID, Reason: "has been changed since: reinforce by tests, 2026-03-01T12:02:00Z"},
		{Key: revised.ID, Reason: "has been changed since: revise by tests, 2026-03-01T12:02:00Z"},
	}}
	if d := cmp.Diff(want, undone); d != "" {
		t.Errorf("undo (-want +got):\n%s", d)
	}
	// tuesdays, new, state, said, when, mill, made are gone; the rest is as it was.
	now := slices.DeleteFunc(held(t, s), func(r atocore.Record) bool {
		return r.Memory != nil && (r.Memory.ID == again.ID || r.Memory.ID == revised.ID)
	})
	if d := cmp.Diff(was, now); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
	if _, err := s.Project(ctx, "port"); !errors.Is(err, atocore.ErrNotFound) {
		t.Errorf("an alias that the import brought: %v", err)
	}
	addProject(t, s, "port") // its name is free again
	if files, _ := filepath.Glob(filepath.Join(dir, "files", "*", "*")); len(files) > 0 {
		t.Errorf("originals stay: %v", files)
	}
	for _, text := range []string{"Third", "A new one"} {
		if hits := search(t, s, atocore.Query{Text: text, Mode: atocore.TextOnly}).Hits; len(hits) > 0 {
			t.Errorf("search finds %q", hits[0].Text)
		}
	}
	if hits := search(t, s, atocore.Query{Text: "Second", Mode: atocore.TextOnly}).Hits; len(hits) != 1 {
		t.Error("search does not find what was given back")
	}
	if st := must(s.Stats(ctx))(t); st.Pending > 0 {
		t.Errorf("%d texts wait for their vectors", st.Pending)
	}
	if digest(t, s) == wasDigest {
		t.Error("the history does not show it")
	}
	if e := must(s.History(ctx, old.ID))(t); e[len(e)-1].Op != "undo_import" || e[len(e)-1].Actor != "tests" {
		t.Errorf("history %+v", e)
	}

	// Once is enough, and only what there is.
	wantUnchanged(t, s, atocore.ErrConflict, func() error { _, err := s.UndoImport(ctx, report.ID); return err })
	wantUnchanged(t, s, atocore.ErrNotFound, func() error { _, err := s.UndoImport(ctx, ""); return err })
	wantUnchanged(t, s, atocore.ErrNotFound, func() error { _, err := s.UndoImport(ctx, "nothing"); return err })
	wantUnchanged(t, s, atocore.ErrNotFound, func() error { _, err := s.Forget(ctx, "", "import:"+report.ID); return err })
	if runs := must(s.Imports(ctx))(t); len(runs) != 1 || !runs[0].Undone {
		t.Errorf("imports %+v", runs)
	}

	// Importing again adds again.
	clk.advance(time.Minute)
	second, each := outcome(t, s, atocore.ImportOptions{From: "jsonl"}, records()...)
	if second.Added != 7 || second.Updated != 3 {
		t.Errorf("import after undo: %+v\n%s", second, strings.Join(each, "\n"))
	}
	replayed := openUnchecked(t, t.TempDir(), nil) // the journal has no originals
	if err := replayed.Replay(ctx, s.Journal(ctx, 0)); err != nil {
		t.Fatal(err)
	}
	if digest(t, replayed) != digest(t, s) {
		t.Error("a replay gives another digest")
	}
	if undone := must(s.UndoImport(ctx, second.ID))(t); undone.Removed != 8 || undone.Restored != 3 {
		t.Errorf("undo: %+v", undone)
	}
}

// What cannot be given back as it was stays, with the reason.
func TestUndoImportThatCannot(t *testing.T) {
	s := openStore(t, nil)
	ctx := t.Context()
	if _, err := s.UndoImport(ctx, ""); !errors.Is(err, atocore.ErrNotFound) {
		t.Errorf("an undo of nothing: %v", err)
	}
	old := remember(t, s, statement("one"))
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "kept.md"), "# Kept\n\nFirst.\n")
	must(s.IngestPath(ctx, folder, &atocore.IngestOptions{KeepOriginals: true, Origin: "notes"}))(t)
	next := old
	next.Content = "two"
	report := importInto(t, s, nil,
		atocore.Record{Memory: &next},
		atocore.Record{Document: &atocore.Document{Origin: "notes", Path: "kept.md"}, Text: "# Kept\n\nSecond.\n"},
		atocore.Record{Memory: &atocore.Memory{Type: atocore.Knowledge, Content: "three", Project: "harbour"}})
	if report.Updated != 2 || report.Added != 1 {
		t.Fatalf("import %+v", report)
	}
	other := remember(t, s, statement("one"))
	must(s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: "k", Value: "v"}))(t)
	undone := must(s.UndoImport(ctx, report.ID))(t)
	if undone.Removed != 1 || undone.Restored != 1 || len(undone.Kept) != 3 {
		t.Fatalf("undo %+v", undone)
	}
	for i, want := range []string{"has its former text again, without the original", "memory " + other.ID + " says by now", "has records by now that the import has not brought"} {
		if !strings.HasPrefix(undone.Kept[i].Reason, want) {
			t.Errorf("got %+v, want %q", undone.Kept[i], want)
		}
	}
	if m := must(s.Memory(ctx, old.ID))(t); m.Content != "two" {
		t.Errorf("memory %+v", m)
	}
	if d := collect(t, s.Documents(ctx, atocore.DocumentFilter{})); len(d) != 1 || d[0].Kept || d[0].SHA256 != sumOf("# Kept\n\nFirst.\n") {
		t.Errorf("documents %+v", d)
	}
}

// A run is found without the journal being read, and undone in one step, with as many
// records as people have; others may write between its transactions.
func TestUndoOfALargeImport(t *testing.T) {
	s := openStore(t, &atocore.Options{Durability: atocore.Normal})
	ctx := t.Context()
	var records []atocore.Record
	for i := range 1500 {
		records = append(records, keyed(fmt.Sprint(i), fmt.Sprintf("Statement number %d of the large import.", i)))
	}
	n := 0
	report := must(s.Import(ctx, sequence(records...), &atocore.ImportOptions{From: "x", Each: func(atocore.ImportChange) {
		if n++; n%400 == 0 { // between two transactions
			if _, err := s.Remember(ctx, statement(fmt.Sprint("Said meanwhile: ", n))); err != nil {
				t.Error(err)
			}
		}
	}}))(t)
	if report.Added != len(records) {
		t.Fatalf("import %+v", report)
	}
	if undone := must(s.UndoImport(ctx, report.ID))(t); undone.Removed != len(records) || len(undone.Kept) > 0 {
		t.Errorf("undo: removed %d, kept %d", undone.Removed, len(undone.Kept))
	}
	if left := memories(t, s); len(left) != 3 {
		t.Errorf("%d memories are left, want the 3 that were said meanwhile", len(left))
	}
}

// Without an ID the newest run is undone that is not undone yet, one after another.
func TestUndoNewestImport(t *testing.T) {
	s := openStore(t, nil)
	ctx := t.Context()
	var ids []string
	for _, key := range []string{"a", "b", "c"} {
		ids = append(ids, importInto(t, s, nil, keyed(key, "says "+key)).ID)
	}
	must(s.UndoImport(ctx, ids[1]))(t)
	for _, want := range []string{ids[2], ids[0]} {
		if got := must(s.UndoImport(ctx, ""))(t); got.ID != want || got.Removed != 1 {
			t.Errorf("undone %+v, want import %s", got, want)
		}
	}
	wantUnchanged(t, s, atocore.ErrNotFound, func() error { _, err := s.UndoImport(ctx, ""); return err })
}
