package atocore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

func keyed(key, content string) atocore.Record {
	return atocore.Record{Key: key, Memory: &atocore.Memory{Type: atocore.Knowledge, Content: content}}
}

// outcome is an import in short: its counts, and what became of each record.
func outcome(t testing.TB, s *atocore.Store, o atocore.ImportOptions, records ...atocore.Record) (atocore.ImportReport, []string) {
	t.Helper()
	var each []string
	o.Each = func(c atocore.ImportChange) {
		line := c.Action + " " + c.Entity + " " + c.Key
		if c.Reason != "" {
			line += ": " + c.Reason
		}
		if c.Before != "" || c.After != "" {
			line += fmt.Sprintf(" (%s → %s)", c.Before, c.After)
		}
		each = append(each, line)
	}
	report := importInto(t, s, &o, records...)
	if n := report.Added + report.Updated + report.Unchanged + len(report.Skipped); n != len(records) || len(each) != n {
		t.Errorf("%d records, reported %d, told %d", len(records), n, len(each))
	}
	return report, each
}

func wantOutcome(t testing.TB, got []string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("what became of the records (-want +got):\n%s", d)
	}
}

func memories(t testing.TB, s *atocore.Store, statuses ...atocore.Status) map[string]atocore.Memory {
	t.Helper()
	out := map[string]atocore.Memory{}
	for _, m := range collect(t, s.Memories(t.Context(), atocore.MemoryFilter{Statuses: statuses})) {
		out[m.Content] = m
	}
	return out
}

// Records of another program are known again by their keys.
func TestImportByKey(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	ctx := t.Context()
	from := atocore.ImportOptions{From: "chroma", Source: "/srv/chroma", Project: "harbour"}
	told := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	source := func(content, text, answer string) []atocore.Record {
		return []atocore.Record{
			{Key: "a", Memory: &atocore.Memory{Type: atocore.Knowledge, Content: content, CreatedAt: told}},
			keyed("b", "The crane is at berth 4."),
			{Key: "c", Document: &atocore.Document{Path: "notes.md"}, Text: text},
			{Key: "d", Interaction: &atocore.Interaction{Prompt: "When?", Response: answer, CreatedAt: told}},
			{Key: "e", State: &atocore.StateEntry{Project: "mill", Key: "miller", Value: "Ada"}},
			{Probe: &atocore.Probe{Query: "when"}},
		}
	}
	first := source("The ferry leaves on Tuesdays.", "# Notes\n\nOne.\n\n# More\n\nTwo.\n", "On Tuesdays.")
	report, each := outcome(t, s, from, first...)
	wantOutcome(t, each,
		"add memory a ( → The ferry leaves on Tuesdays.)",
		"add memory b ( → The crane is at berth 4.)",
		"add document c ( → Notes)",
		"add interaction d ( → When?\nOn Tuesdays.)",
		"add state e ( → mill/general/miller: Ada)",
		"add probe when ( → when)")
	if d := cmp.Diff([]string{"harbour", "mill"}, report.Projects); d != "" || report.ID == "" {
		t.Errorf("report %+v", report)
	}
	m := memories(t, s)["The ferry leaves on Tuesdays."]
	if m.Project != "harbour" || m.Status != atocore.Active || m.Confidence != 1 || !m.CreatedAt.Equal(told) || !m.UpdatedAt.Equal(clk.now()) || m.Provenance.Actor != "import:chroma" {
		t.Errorf("memory %+v", m)
	}
	if !strings.HasPrefix(m.ID, "01jgj") { // the time that it has
		t.Errorf("the ID %s is not of %v", m.ID, told)
	}
	if e := must(s.History(ctx, m.ID))(t); len(e) != 1 || e[0].Op != "import" || e[0].Actor != "import:"+report.ID {
		t.Errorf("history %+v", e)
	}
	if st := must(s.Stats(ctx))(t); st.Vectors != 6 || st.Pending != 0 {
		t.Errorf("%d vectors, %d pending, want 6 and 0", st.Vectors, st.Pending)
	}
	if hits := search(t, s, atocore.Query{Text: "crane"}).Hits; len(hits) != 1 {
		t.Errorf("search found %d", len(hits))
	}

	before := digest(t, s)
	again, _ := outcome(t, s, from, first...)
	if again.Unchanged != len(first) || again.ID != "" || digest(t, s) != before {
		t.Errorf("a second import: %+v", again)
	}
	other := openStore(t, nil)
	outcome(t, other, from, first...)
	if _, err := other.Memory(ctx, m.ID); err != nil {
		t.Errorf("another store gives the record another ID: %v", err)
	}
	from.From = "engram"
	if report, _ := outcome(t, openStore(t, nil), from, first...); report.Added != len(first) {
		t.Errorf("from elsewhere: %+v", report)
	}
	from.From = "chroma"

	clk.advance(time.Hour)
	changed := source("The ferry leaves on Thursdays.", "# Notes\n\nOne.\n\n# More\n\nThree.\n", "On Thursdays.")
	changed[1].Memory.Tags = []string{"crane"}
	changed[4].State.Value = "Grace"
	_, each = outcome(t, s, from, changed...)
	wantOutcome(t, each,
		"update memory a (The ferry leaves on Tuesdays. → The ferry leaves on Thursdays.)",
		"update memory b (Tags: [] → Tags: [crane])",
		"update document c (# More\n\nTwo. → # More\n\nThree.)",
		"update interaction d (When?\nOn Tuesdays. → When?\nOn Thursdays.)",
		"update state e (Ada → Grace)",
		"unchanged probe when")
	now := must(s.Memory(ctx, m.ID))(t)
	if now.Content != "The ferry leaves on Thursdays." || !now.CreatedAt.Equal(told) || !now.UpdatedAt.Equal(clk.now()) {
		t.Errorf("memory %+v", now)
	}
	if hits := search(t, s, atocore.Query{Text: "Three"}).Hits; len(hits) != 1 {
		t.Errorf("search found %d", len(hits))
	}
}

// What was changed here stays, unless the source alone has changed the field.
func TestImportKeepsWhatWasChangedHere(t *testing.T) {
	s := openStore(t, nil)
	ctx := t.Context()
	o := atocore.ImportOptions{From: "x"}
	records := []atocore.Record{keyed("revised", "one"), keyed("said again", "two"), keyed("withdrawn", "three"), keyed("forgotten", "four"), keyed("promoted", "five")}
	records[4].Memory.Status = atocore.Candidate
	outcome(t, s, o, records...)
	all := memories(t, s, atocore.Active, atocore.Candidate)
	must(s.Revise(ctx, all["one"].ID, "one, revised"))(t)
	must(s.Reinforce(ctx, all["two"].ID))(t)
	must(s.Invalidate(ctx, all["three"].ID, "wrong"))(t)
	must(s.Forget(ctx, "", all["four"].ID))(t)
	must(s.Promote(ctx, all["five"].ID))(t)

	before := digest(t, s)
	_, each := outcome(t, s, o, records...)
	date := time.Now().UTC().Format(time.DateOnly)
	wantOutcome(t, each, "unchanged memory revised", "unchanged memory said again", "unchanged memory withdrawn",
		"skip memory forgotten: it was forgotten here on "+date, "unchanged memory promoted")
	if digest(t, s) != before {
		t.Error("the import has changed the store")
	}
	for i := range records {
		records[i].Memory.Content += ", changed in the source"
	}
	_, each = outcome(t, s, o, records...)
	wantOutcome(t, each,
		"skip memory revised: content was changed here, and in the source, since it was imported",
		"update memory said again (two → two, changed in the source)",
		"skip memory withdrawn: it is invalid here",
		"skip memory forgotten: it was forgotten here on "+date,
		"update memory promoted (five → five, changed in the source)")
	all = memories(t, s)
	if m := all["two, changed in the source"]; m.Reinforced != 1 || m.ReinforcedAt.IsZero() {
		t.Errorf("an update forgets that it was said again: %+v", m)
	}
	if m := all["five, changed in the source"]; m.Status != atocore.Active {
		t.Errorf("an update takes the promotion back: %+v", m)
	}
}

// What the store says already is not said twice.
func TestImportOfWhatIsKnown(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	ctx := t.Context()
	known := remember(t, s, statement("The ferry leaves on Thursdays."))
	wrong := remember(t, s, statement("The moon is a harbour."))
	must(s.Invalidate(ctx, wrong.ID, "it is not"))(t)
	old := remember(t, s, statement("Berth 4 is closed."))
	next := must(s.Supersede(ctx, old.ID, atocore.Memory{Content: "Berth 4 is open."}))(t)
	must(s.Capture(ctx, atocore.Interaction{Client: "c", Session: "s", Turn: "1", Prompt: "p", Response: "r"}))(t)
	addProject(t, s, "harbour", "hbr")
	must(s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: "k", Value: "decided"}))(t)
	turn := collect(t, s.Interactions(ctx, atocore.InteractionFilter{}))[0]

	moon := keyed("later", "The moon is a harbour.")
	moon.Memory.CreatedAt = clk.now().Add(time.Hour)
	moon.Memory.Project = "hbr" // another scope: nobody has withdrawn it there
	again := keyed("again", "Berth 4 is closed.")
	again.Memory.CreatedAt = clk.now().Add(time.Hour)
	sure := keyed("withdrawn", "Berth 4 is closed.")
	sure.Memory.Status = atocore.Invalid // it does not claim to hold
	_, each := outcome(t, s, atocore.ImportOptions{},
		keyed("known", "The ferry leaves on  Thursdays"),
		keyed("twice", "New."), keyed("once more", " New"),
		keyed("moon", "The moon is a harbour."), moon,
		keyed("closed", "Berth 4 is closed"), sure, again,
		atocore.Record{Interaction: &atocore.Interaction{Client: "c", Session: "s", Turn: "1", Prompt: "other"}},
		atocore.Record{State: &atocore.StateEntry{Project: "hbr", Key: "k", Value: "other"}},
		atocore.Record{Project: &atocore.Project{Name: "HBR"}},
		atocore.Record{Project: &atocore.Project{Name: "mill", Aliases: []string{"harbour", "ml"}}},
		atocore.Record{Project: &atocore.Project{Name: "harbour", Aliases: []string{"hb"}, Description: "Ships."}},
	)
	id := memories(t, s)["New."].ID
	wantOutcome(t, each,
		"unchanged memory known: memory "+known.ID+" says the same",
		"add memory twice ( → New.)", "unchanged memory once more: memory "+id+" says the same",
		"skip memory moon: memory "+wrong.ID+", which says the same, was withdrawn: it is not", "add memory later ( → The moon is a harbour.)",
		"skip memory closed: memory "+old.ID+", which says the same, was replaced by "+next.ID, "add memory withdrawn ( → Berth 4 is closed.)", "add memory again ( → Berth 4 is closed.)",
		"unchanged interaction 1: interaction "+turn.ID+" is the same turn",
		"skip state hbr/general/k: the store has another value, which was not imported; give updated_at to replace it",
		`skip project HBR: "HBR" is an alias of project "harbour"`,
		`add project mill: alias "harbour" is left out: it is project "harbour" ( → mill)`,
		"update project harbour ( → Ships.)",
	)
	if m := must(s.Memory(ctx, known.ID))(t); m.Reinforced != 0 {
		t.Error("an import reinforces")
	}
	if p := must(s.Project(ctx, "hb"))(t); p.Name != "harbour" || p.Description != "Ships." {
		t.Errorf("project %+v", p)
	}
}

// Records of another store go by when they were changed.
func TestImportFromAnotherStore(t *testing.T) {
	clk := newClock()
	here := openStore(t, &atocore.Options{Now: clk.now})
	ctx := t.Context()
	fillAll(t, here, clk)
	there := openStore(t, &atocore.Options{Now: clk.now})
	importInto(t, there, nil, held(t, here)...)
	both := memories(t, here)
	clk.advance(time.Minute)
	revise := func(s *atocore.Store, content, next string) {
		t.Helper()
		must(s.Revise(ctx, both[content].ID, next))(t)
		clk.advance(time.Minute)
	}
	const one, two = "The ferry leaves on Thursdays.", "The moon is a harbour."
	revise(there, one, "revised there")
	revise(here, two, "revised here")
	must(there.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: "berth", Value: "5"}))(t)
	must(there.AddDocument(ctx, atocore.Document{Path: "global.md"}, "# Global\n\nAnother text.\n"))(t)
	clk.advance(time.Minute)
	must(here.SetState(ctx, atocore.StateEntry{Project: "mill", Category: "people", Key: "miller", Value: "Grace"}))(t)

	var changes []string
	report := must(here.Import(ctx, atocore.ReadRecords(bytes.NewReader(exported(t, there, nil))), &atocore.ImportOptions{Each: func(c atocore.ImportChange) {
		if c.Action != "unchanged" {
			changes = append(changes, strings.TrimSpace(c.Action+" "+c.Entity+" "+c.Before+" → "+c.After+" "+c.Reason))
		}
	}}))(t)
	wantOutcome(t, changes,
		"update state 4 → 5",
		"skip state  →  the store's is newer, of "+clk.now().Format(time.RFC3339),
		"update memory "+one+" → revised there",
		"skip memory  →  the store's is newer, of 2026-03-01T12:04:04Z",
		"update document # Global\n\nOf no project. → # Global\n\nAnother text.")
	if report.Updated != 3 || len(report.Skipped) != 2 {
		t.Errorf("report %+v", report)
	}
	if m := must(here.Memory(ctx, both[one].ID))(t); m.Content != "revised there" || !m.UpdatedAt.Equal(must(there.Memory(ctx, m.ID))(t).UpdatedAt) {
		t.Errorf("memory %+v", m)
	}

	// An export that somebody has edited, its hash taken out.
	lines := recordLines(exported(t, here, nil))
	edited := strings.ReplaceAll(strings.Join(lines, "\r\n"), "revised here", "edited")
	if report := must(here.Import(ctx, atocore.ReadRecords(strings.NewReader("\ufeff"+edited)), nil))(t); report.Updated != 1 || len(report.Skipped) != 0 {
		t.Errorf("edited: %+v", report)
	}
	if m := must(here.Memory(ctx, both[two].ID))(t); m.Content != "edited" {
		t.Errorf("memory %+v", m)
	}
	// What this store's IDs are of cannot be something else.
	doc := first2(collect(t, here.Documents(ctx, atocore.DocumentFilter{})))
	taken := keyed("", "taken")
	taken.Memory.ID = doc.ID
	_, each := outcome(t, here, atocore.ImportOptions{}, taken)
	wantOutcome(t, each, "skip memory "+doc.ID+": its ID is that of a document")
}

func first2[T any](list []T) T { return list[0] }

// A dry run says what the import would do, and does nothing.
func TestImportDryRun(t *testing.T) {
	dir := t.TempDir()
	s := openStoreIn(t, dir, nil)
	outcome(t, s, atocore.ImportOptions{From: "x"}, keyed("a", "one"), keyed("b", "two"))
	records := []atocore.Record{keyed("a", "one, changed"), keyed("b", "two"), keyed("c", "three"), keyed("d", "three "), keyed("e", strings.Repeat("x", atocore.MaxMemoryBytes+1))}
	for i := range 600 { // more than a transaction takes
		records = append(records, atocore.Record{Key: fmt.Sprint("n", i), Memory: &atocore.Memory{Type: atocore.Episodic, Content: fmt.Sprint("Number ", i, "."), Project: "harbour"}})
	}
	records = append(records,
		atocore.Record{Project: &atocore.Project{Name: "Harbour", Description: "Ships."}},
		atocore.Record{Document: &atocore.Document{Path: "kept.txt", MediaType: atocore.MediaText}, Original: []byte("Kept.")},
		atocore.Record{Probe: &atocore.Probe{Query: "q"}})
	before := digest(t, s)
	dry, said := outcome(t, s, atocore.ImportOptions{From: "x", DryRun: true}, records...)
	if digest(t, s) != before || len(must(s.Probes(t.Context()))(t)) > 0 {
		t.Error("a dry run has changed the store")
	}
	if _, err := os.Stat(filepath.Join(dir, "files")); !os.IsNotExist(err) {
		t.Errorf("a dry run keeps originals: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".import-*")); len(left) > 0 {
		t.Errorf("an import leaves %v", left)
	}
	report, done := outcome(t, s, atocore.ImportOptions{From: "x"}, records...)
	if !dry.DryRun || dry.ID != "" || report.DryRun || report.ID == "" {
		t.Errorf("dry %v %q, not dry %v %q", dry.DryRun, dry.ID, report.DryRun, report.ID)
	}
	dry.DryRun, report.ID = false, ""
	if d := cmp.Diff(report, dry); d != "" {
		t.Errorf("the dry run's report (-done +dry):\n%s", d)
	}
	if d := cmp.Diff(done, said); d != "" {
		t.Errorf("what the dry run told (-done +dry):\n%s", d)
	}
	if st := must(s.Stats(t.Context()))(t); st.Pending != 0 || st.Memories[atocore.Active] != 603 {
		t.Errorf("%d memories, %d without a vector", st.Memories[atocore.Active], st.Pending)
	}
}

// A sequence that breaks off writes nothing. An import that fails half-way says what
// is in; the next adds the rest; each can be undone.
func TestImportInterrupted(t *testing.T) {
	s := openStore(t, nil)
	ctx := t.Context()
	broken := errors.New("the disk is gone")
	many := make([]atocore.Record, 700)
	for i := range many {
		many[i] = keyed(fmt.Sprint(i), fmt.Sprintf("Statement %d.", i))
	}
	seq := func(yield func(atocore.Record, error) bool) {
		for _, r := range many {
			if !yield(r, nil) {
				return
			}
		}
		yield(atocore.Record{}, broken)
	}
	before := digest(t, s)
	report, err := s.Import(ctx, seq, nil)
	if !errors.Is(err, broken) || report.Added > 0 || digest(t, s) != before {
		t.Errorf("broken off: %v, %+v", err, report)
	}
	// One record that is wrong does not stop the others.
	report = must(s.Import(ctx, iter.Seq2[atocore.Record, error](func(yield func(atocore.Record, error) bool) {
		_ = yield(atocore.Record{}, &atocore.RecordError{Key: "row 7", Err: errors.New("is damaged")}) && yield(keyed("good", "good"), nil)
	}), nil))(t)
	if report.Added != 1 || len(report.Skipped) != 1 || report.Skipped[0] != (atocore.SkippedRecord{Key: "row 7", Reason: "is damaged"}) {
		t.Errorf("report %+v", report)
	}
	first := report.ID

	half, cancel := context.WithCancel(ctx)
	report, err = s.Import(half, sequence(many...), &atocore.ImportOptions{Each: func(atocore.ImportChange) { cancel() }})
	if !errors.Is(err, context.Canceled) || report.ID == "" || report.Added == 0 || report.Added >= len(many) {
		t.Fatalf("cancelled: %v, %+v", err, report)
	}
	rest := importInto(t, s, nil, many...)
	if rest.Added+report.Added != len(many) || rest.Unchanged != report.Added {
		t.Errorf("the rest: %+v, after %d", rest, report.Added)
	}
	runs := must(s.Imports(ctx))(t)
	if len(runs) != 3 || runs[0].ID != rest.ID || runs[1].ID != report.ID || runs[2].ID != first || runs[0].Records != rest.Added || runs[1].Records != report.Added || runs[0].From != "jsonl" {
		t.Errorf("runs %+v", runs)
	}
	for _, run := range runs {
		if undone := must(s.UndoImport(ctx, run.ID))(t); undone.Removed != run.Records || len(undone.Kept) > 0 {
			t.Errorf("undo of %+v: %+v", run, undone)
		}
	}
	if left := memories(t, s); len(left) > 0 {
		t.Errorf("%d memories are left", len(left))
	}
}

// Two programs that import the same at once, and a third that writes, do it once.
func TestImportAtOnce(t *testing.T) {
	dir := t.TempDir()
	var records []atocore.Record
	for i := range 600 {
		records = append(records, keyed(fmt.Sprint(i), fmt.Sprintf("Statement %d.", i)))
	}
	s := openStoreIn(t, dir, nil)
	var reports [2]atocore.ImportReport
	var done sync.WaitGroup
	for i := range reports {
		own := openUnchecked(t, dir, nil)
		done.Go(func() {
			var err error
			if reports[i], err = own.Import(t.Context(), sequence(records...), nil); err != nil {
				t.Error(err)
			}
		})
	}
	done.Go(func() {
		for i := range 100 {
			if _, err := s.Remember(t.Context(), statement(fmt.Sprint("Said meanwhile: ", i))); err != nil {
				t.Error(err)
			}
		}
	})
	done.Wait()
	if n := reports[0].Added + reports[1].Added; n != len(records) || reports[0].Unchanged+reports[1].Unchanged != n {
		t.Errorf("added %d and %d of %d", reports[0].Added, reports[1].Added, len(records))
	}
	if all := memories(t, s); len(all) != len(records)+100 {
		t.Errorf("%d memories", len(all))
	}
	for _, run := range must(s.Imports(t.Context()))(t) {
		must(s.UndoImport(t.Context(), run.ID))(t)
	}
	if all := memories(t, s); len(all) != 100 {
		t.Errorf("%d memories after the undo", len(all))
	}
}

// Records that the store would take from nobody are left out, each with its reason,
// and the rest goes in.
func TestImportOfBadRecords(t *testing.T) {
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	memory := func(m atocore.Memory) atocore.Record {
		if m.Type == "" {
			m.Type = atocore.Knowledge
		}
		if m.Content == "" {
			m.Content = "content"
		}
		return atocore.Record{Memory: &m}
	}
	document := func(d atocore.Document, chunks ...atocore.Chunk) atocore.Record {
		if d.Path == "" {
			d.Path = "a.txt"
		}
		if d.SHA256 == "" {
			d.SHA256, d.Size = sumOf("abc"), 3
		}
		return atocore.Record{Document: &d, Chunks: chunks}
	}
	text := func(r atocore.Record, text string) atocore.Record { r.Text = text; return r }
	original := func(r atocore.Record, text string) atocore.Record { r.Original = []byte(text); return r }
	good := atocore.Chunk{Start: 0, End: 3, Text: "abc"}
	many := make([]string, 65)
	for i := range many {
		many[i] = strings.Repeat("t", i+1)
	}
	bad := []struct {
		reason string // begins with
		record atocore.Record
	}{
		{"invalid record: holds nothing", atocore.Record{}},
		{"invalid record: holds project and memory", atocore.Record{Project: &atocore.Project{Name: "p"}, Memory: &atocore.Memory{}}},
		{"invalid record: has text", text(memory(atocore.Memory{}), "x")},
		{"invalid key: has 1025 bytes", atocore.Record{Key: strings.Repeat("k", 1025), Memory: &atocore.Memory{Type: atocore.Knowledge, Content: "x"}}},
		{`invalid type: "note" is not a memory type (use one of identity, `, memory(atocore.Memory{Type: "note"})},
		{"invalid content: has 65537 bytes", memory(atocore.Memory{Content: strings.Repeat("x", 1<<16+1)})},
		{"invalid content: is empty", memory(atocore.Memory{Content: " "})},
		{"invalid content: has a NUL byte at offset 1", memory(atocore.Memory{Content: "a\x00"})},
		{"invalid content: is not UTF-8 at offset 1", memory(atocore.Memory{Content: "a\xff"})},
		{`invalid status: "new"`, memory(atocore.Memory{Status: "new"})},
		{"invalid superseded_by: is given", memory(atocore.Memory{SupersededBy: driftID})},
		{"invalid supersedes: ", memory(atocore.Memory{Supersedes: "x"})},
		{"invalid reinforced: -1 is not 0 to 1073741824", memory(atocore.Memory{Reinforced: -1})},
		{"invalid reinforced: 2147483647 is not", memory(atocore.Memory{Reinforced: math.MaxInt32})}, // the next one would be below zero
		{"invalid superseded_by: is the memory itself", memory(atocore.Memory{ID: "01jqv3k8w2x4n6p8r0t2v4y6z8", Status: atocore.Superseded, SupersededBy: "01jqv3k8w2x4n6p8r0t2v4y6z8"})},
		{"invalid supersedes: is the memory itself", memory(atocore.Memory{ID: "01jqv3k8w2x4n6p8r0t2v4y6z8", Supersedes: "01jqv3k8w2x4n6p8r0t2v4y6z8"})},
		{"invalid confidence: NaN", memory(atocore.Memory{Confidence: math.NaN()})},
		{"invalid valid_until: is before", memory(atocore.Memory{ValidFrom: year(2026), ValidUntil: year(2025)})},
		{"invalid valid_from: is in the year 10000", memory(atocore.Memory{ValidFrom: year(10_000)})},
		{"invalid created_at: is in the year -1", memory(atocore.Memory{CreatedAt: year(-1)})},
		{"invalid updated_at: is in the year 10000", memory(atocore.Memory{UpdatedAt: year(10_000)})},
		{"invalid reinforced_at: ", memory(atocore.Memory{ReinforcedAt: year(10_000)})},
		{"invalid tags: are 65", memory(atocore.Memory{Tags: many})},
		{"invalid metadata: has an empty key", memory(atocore.Memory{Metadata: map[string]string{"": "v"}})},
		{"invalid provenance.source: has a control character", memory(atocore.Memory{Provenance: atocore.Provenance{Source: "a\nb"}})},
		{"invalid provenance.actor: has a NUL", memory(atocore.Memory{Provenance: atocore.Provenance{Actor: "a\x00b"}})},
		{"invalid reason: has 1025 bytes", memory(atocore.Memory{Status: atocore.Invalid, Reason: strings.Repeat("r", 1025)})},
		{`invalid id: "X" is not an ID`, memory(atocore.Memory{ID: "X"})},
		{"invalid id: ", memory(atocore.Memory{ID: strings.ToUpper(driftID)})},
		{"invalid project: has a control character", memory(atocore.Memory{Project: "a\tb"})},
		{"invalid project: begins or ends", memory(atocore.Memory{Project: " a"})},
		{"invalid project: is missing", atocore.Record{State: &atocore.StateEntry{Key: "k", Value: "v"}}},
		{"invalid key: is missing", atocore.Record{State: &atocore.StateEntry{Project: "p", Value: "v"}}},
		{"invalid value: is empty", atocore.Record{State: &atocore.StateEntry{Project: "p", Key: "k"}}},
		{"invalid name: is empty", atocore.Record{Project: &atocore.Project{}}},
		{"invalid prompt: and response are empty", atocore.Record{Interaction: &atocore.Interaction{}}},
		{"invalid response: has a NUL", atocore.Record{Interaction: &atocore.Interaction{Response: "\x00"}}},
		{"invalid query: is empty", atocore.Record{Probe: &atocore.Probe{}}},
		{`invalid path: "../a" is not`, document(atocore.Document{Path: "../a"}, good)},
		{"invalid text: is empty", document(atocore.Document{})},
		{"invalid text: is given, and chunks", text(document(atocore.Document{}, good), "abc")},
		{`invalid media_type: "image/png"`, text(document(atocore.Document{MediaType: "image/png"}), "abc")},
		{`invalid media_type: "image/png"`, document(atocore.Document{MediaType: "image/png"}, good)},
		{"invalid original: is another text", original(text(document(atocore.Document{}), "abc"), "abd")},
		{"invalid original: is not what sha256", original(document(atocore.Document{}, good), "abd")},
		{"invalid text: is not UTF-8", original(document(atocore.Document{}), "ab\xff")},
		{"invalid sha256: ", document(atocore.Document{SHA256: "../../etc/passwd", Size: 3}, good)},
		{"invalid size: ", document(atocore.Document{SHA256: sumOf("x"), Size: -1}, good)},
		{"invalid chunks[0].ordinal: is 1", document(atocore.Document{}, atocore.Chunk{Ordinal: 1, End: 3, Text: "abc"})},
		{"invalid chunks[0]: is of bytes 0 to 4 of 3", document(atocore.Document{}, atocore.Chunk{End: 4, Text: "abcd"})},
		{"invalid chunks[0].text: has 2 bytes", document(atocore.Document{}, atocore.Chunk{End: 3, Text: "ab"})},
		{"invalid chunks[0].text: is not UTF-8", document(atocore.Document{}, atocore.Chunk{End: 3, Text: "ab\xff"})},
		{"invalid chunks[0].heading: has a control", document(atocore.Document{}, atocore.Chunk{End: 3, Text: "abc", Heading: []string{"a\nb"}})},
	}
	s := openStore(t, nil)
	var records []atocore.Record
	for _, b := range bad {
		records = append(records, b.record)
	}
	records = append(records, keyed("good", "good"))
	for _, dry := range []bool{true, false} {
		report := importInto(t, s, &atocore.ImportOptions{DryRun: dry}, records...)
		if report.Added != 1 || len(report.Skipped) != len(bad) || len(report.Projects) > 0 {
			t.Fatalf("report %+v", report)
		}
		for i, b := range bad {
			if got := report.Skipped[i]; !strings.HasPrefix(got.Reason, b.reason) || len(got.Key) > 1<<10 || len(got.Reason) > 300 {
				t.Errorf("got %q: %q, want %q", got.Key, got.Reason, b.reason)
			}
		}
	}
	before := digest(t, s)
	for field, o := range map[string]atocore.ImportOptions{
		"from":    {From: "a\nb"},
		"source":  {Source: "a\x00"},
		"project": {Project: " p"},
	} {
		_, err := s.Import(t.Context(), sequence(keyed("k", "v")), &o)
		var invalid *atocore.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
	if digest(t, s) != before {
		t.Error("bad options have changed the store")
	}
}
