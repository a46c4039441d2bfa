package atocore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// furnish puts something of every kind into a store.
func furnish(t testing.TB, s *atocore.Store) {
	t.Helper()
	ctx := t.Context()
	addProject(t, s, "harbour", "port")
	must(s.RememberAll(ctx, []atocore.Memory{
		{Type: atocore.Identity, Content: "Ines keeps the harbour office"},
		{Type: atocore.Preference, Content: "Notices are short and in plain words"},
		{Type: atocore.ProjectMemory, Content: "The ferry leaves on Tuesdays", Project: "harbour"},
		{Type: atocore.Episodic, Content: "The storm closed the east pier"},
		{Type: atocore.Knowledge, Content: "The ferry takes forty passengers"},
		{Type: atocore.Knowledge, Content: "The pier has two cranes", Status: atocore.Candidate},
		{Type: atocore.Adaptation, Content: "Ask about the tide before naming a time"},
	}))(t)
	must(s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: "pier", Value: "Ferries use the west pier"}))(t)
	must(s.Capture(ctx, atocore.Interaction{Prompt: "When does it sail?", Response: "On Tuesdays at nine."}))(t)
	must(s.Ingest(ctx, fstest.MapFS{
		"tides.md": {Data: []byte("# Tides\n\n## High\n\nHigh water is at noon.\n\n## Low\n\nLow water is at six.\n")},
	}, &atocore.IngestOptions{KeepOriginals: true}))(t)
}

// options are those of a store that tests open.
func options() *atocore.Options { return &atocore.Options{CompileCache: cacheDir} }

func backupOf(dir string) *atocore.Backup {
	return atocore.NewBackup(dir, &atocore.BackupOptions{Options: options()})
}

// furnished is the directory of a store with something of every kind, closed.
func furnished(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	s := openStoreIn(t, dir, nil)
	furnish(t, s)
	checkStore(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// codes are those of the findings. Each is one that users can look up.
func codes(findings []atocore.Finding) []string {
	out := []string{}
	for _, f := range findings {
		if !slices.Contains(atocore.Codes(), f.Code) {
			panic("no such code: " + f.Code)
		}
		out = append(out, f.Code)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func wantDrillOK(t testing.TB, r atocore.DrillReport) {
	t.Helper()
	if !r.OK || len(r.Findings) > 0 {
		t.Errorf("the drill found faults: %+v", r.Findings)
	}
	if !r.DigestOK || r.Digest == "" || r.Probes == 0 || r.Hits == 0 || r.Stamp == "" || r.RTO <= 0 {
		t.Errorf("the drill proved too little: %+v", r)
	}
	if r.Scratch != "" {
		t.Errorf("a copy is kept in %s", r.Scratch)
	}
}

// A drill of a sound store proves it, leaves nothing but its record, and changes
// nothing that counts.
func TestDrill(t *testing.T) {
	dir, scratch := t.TempDir(), t.TempDir()
	s := openStoreIn(t, dir, nil)
	furnish(t, s)
	if stats := must(s.Stats(t.Context()))(t); stats.LastDrill != nil || stats.LastProven != nil {
		t.Errorf("before any drill: %v, %v", stats.LastDrill, stats.LastProven)
	}
	before := digest(t, s)
	b := s.Backup(nil)
	r := must(b.Drill(t.Context(), &atocore.DrillOptions{Scratch: scratch}))(t)
	wantDrillOK(t, r)
	if r.Digest != before || digest(t, s) != before {
		t.Errorf("digest before %s, of the copy %s, after %s", before, r.Digest, digest(t, s))
	}
	if left := names(t, scratch); len(left) > 0 {
		t.Errorf("left in the scratch directory: %v", left)
	}
	if left := must(b.List(t.Context()))(t); len(left) > 0 {
		t.Errorf("left among the snapshots: %v", left)
	}
	stats := must(s.Stats(t.Context()))(t)
	if stats.LastProven == nil || !stats.LastProven.Equal(r.SnapshotAt) || !stats.LastDrill.Equal(r.EndedAt) || !stats.LastDrillOK {
		t.Errorf("last drill %v, last proven %v, want %v and %v", stats.LastDrill, stats.LastProven, r.EndedAt, r.SnapshotAt)
	}
	records := must(b.Drills(t.Context()))(t)
	if diff := cmp.Diff([]atocore.DrillReport{r}, records); diff != "" {
		t.Errorf("record (-report +record):\n%s", diff)
	}
	for _, kind := range []string{"memory", "chunk", "interaction", "state"} {
		// The questions are drawn from every kind.
		if !slices.ContainsFunc(atocore.ProbeNames(t.Context(), s), func(name string) bool { return strings.Contains(name, kind) }) {
			t.Errorf("no question is drawn from %s", kind)
		}
	}
	if diff := cmp.Diff(atocore.ProbeNames(t.Context(), s), atocore.ProbeNames(t.Context(), s)); diff != "" {
		t.Errorf("the questions of one store differ:\n%s", diff)
	}
}

// The directory of a store that is not open is enough, also while others have it
// open; and of a snapshot alone, without the store.
func TestDrillOfSnapshot(t *testing.T) {
	dir := furnished(t)
	b := backupOf(dir)
	for _, noVectors := range []bool{false, true} {
		t.Run(fmt.Sprintf("without vectors %v", noVectors), func(t *testing.T) {
			snap := must(b.Create(t.Context(), &atocore.SnapshotOptions{NoVectors: noVectors}))(t)
			r := must(b.Drill(t.Context(), &atocore.DrillOptions{Stamp: snap.Stamp, Scratch: t.TempDir()}))(t)
			wantDrillOK(t, r)
			if r.Stamp != snap.Stamp || r.ID == "" {
				t.Errorf("stamp %s and record %q, want %s and one", r.Stamp, r.ID, snap.Stamp)
			}
		})
	}
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	other := atocore.NewBackup(nowhere, &atocore.BackupOptions{Snapshots: b.Snapshots(), Options: options()})
	r := must(other.Drill(t.Context(), &atocore.DrillOptions{Stamp: atocore.LatestSnapshot, Scratch: t.TempDir()}))(t)
	wantDrillOK(t, r)
	if _, err := os.Stat(nowhere); err == nil || r.ID != "" || len(r.Notes) == 0 {
		t.Errorf("drill without a store: error %v, record %q, notes %v", err, r.ID, r.Notes)
	}
	_, err := other.Drill(t.Context(), &atocore.DrillOptions{Stamp: "20010101T000000Z"})
	var missing *atocore.NotFoundError
	if !errors.As(err, &missing) || missing.Kind != "snapshot" {
		t.Errorf("got %v, want a snapshot that is not found", err)
	}
	if _, err := other.Drill(t.Context(), nil); !errors.As(err, &missing) || missing.Kind != "store" {
		t.Errorf("got %v, want a store that is not found", err)
	}
}

// tamper is a drill's Progress that damages the restored copy before it is opened.
func tamper(t *testing.T, scratch string, do func(dir string)) func(atocore.Progress) {
	return func(p atocore.Progress) {
		if p.Step != "open" {
			return
		}
		dirs := must(filepath.Glob(filepath.Join(scratch, "atocore-drill-*", "store")))(t)
		if len(dirs) != 1 {
			t.Fatalf("restored copies: %v", dirs)
		}
		do(dirs[0])
	}
}

// Each difference between original and copy is found by its code, the copy is
// kept, and the store remembers that it is not proven.
func TestDrillFindsFaults(t *testing.T) {
	const anyMemory = `(SELECT unit FROM units WHERE kind = 'memory' ORDER BY unit LIMIT 1)`
	for _, tt := range []struct {
		name   string
		want   []string
		tamper func(t *testing.T, dir string)
	}{
		{"a record's words", []string{"drill_digest", "drill_index_parity", "drill_retrieval"}, func(t *testing.T, dir string) {
			damage(t, dir, `UPDATE memories SET content = 'The ferry takes fifty passengers' WHERE content LIKE '%forty%'`)
		}},
		{"a record", []string{"drill_counts", "drill_digest", "drill_index_parity"}, func(t *testing.T, dir string) {
			damage(t, dir, `DELETE FROM memories WHERE content LIKE '%cranes%'`)
		}},
		{"a status", []string{"drill_counts", "drill_digest", "drill_index_parity"}, func(t *testing.T, dir string) {
			damage(t, dir, `UPDATE memories SET status = 'invalid' WHERE content LIKE '%cranes%'`)
		}},
		{"the journal", []string{"drill_counts", "drill_digest"}, func(t *testing.T, dir string) {
			damage(t, dir, `DELETE FROM journal WHERE seq = 1`)
		}},
		{"full text", []string{"drill_counts", "drill_index_parity", "drill_retrieval"}, func(t *testing.T, dir string) {
			damage(t, dir, `DELETE FROM unit_terms WHERE unit = `+anyMemory)
		}},
		{"a vector's value", []string{"drill_retrieval"}, func(t *testing.T, dir string) {
			damage(t, dir, `UPDATE vectors SET vector = (SELECT vector FROM vectors ORDER BY unit DESC LIMIT 1) WHERE unit = `+anyMemory)
		}},
		{"the space", []string{"drill_retrieval", "drill_space"}, func(t *testing.T, dir string) {
			damage(t, dir, `UPDATE spaces SET fingerprint = 'another'`)
		}},
		{"a golden query", []string{"drill_counts"}, func(t *testing.T, dir string) {
			damage(t, dir, `INSERT INTO probes (query, created_at) VALUES ('a', '2026-01-01T00:00:00.000000Z')`)
		}},
		{"an original", []string{"drill_files"}, func(t *testing.T, dir string) {
			for _, name := range originals(t, dir) {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"a page", []string{"drill_integrity"}, func(t *testing.T, dir string) {
			overwrite(t, dir, "When does it sail?", func(page []byte, _ int) { copy(page, strings.Repeat("\xff", len(page))) })
		}},
		{"the file", []string{"drill_open_failed"}, func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "atocore.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, scratch := t.TempDir(), t.TempDir()
			s := openStoreIn(t, dir, &atocore.Options{Durability: atocore.Normal})
			furnish(t, s)
			b := s.Backup(nil)
			wantDrillOK(t, must(b.Drill(t.Context(), &atocore.DrillOptions{Scratch: scratch}))(t))
			r := must(b.Drill(t.Context(), &atocore.DrillOptions{
				Scratch: scratch, Progress: tamper(t, scratch, func(copy string) { tt.tamper(t, copy) }),
			}))(t)
			if diff := cmp.Diff(tt.want, codes(r.Findings)); diff != "" || r.OK {
				t.Errorf("ok %v, findings (-want +got):\n%s\n%+v", r.OK, diff, r.Findings)
			}
			for _, f := range r.Findings {
				if f.Path == "" || f.Expected == "" || f.Found == "" || f.Hint == "" {
					t.Errorf("the finding says too little: %+v", f)
				}
			}
			if _, err := os.Stat(filepath.Join(r.Scratch, "store", "atocore.db")); err != nil || r.Scratch == "" {
				t.Errorf("the copy is not kept in %q: %v", r.Scratch, err)
			}
			stats := must(s.Stats(t.Context()))(t)
			if !stats.LastDrill.After(*stats.LastProven) {
				t.Errorf("last drill %v, last proven %v", stats.LastDrill, stats.LastProven)
			}
			if records := must(b.Drills(t.Context()))(t); len(records) != 2 || records[0].OK || !records[1].OK {
				t.Errorf("records: %+v", records)
			}
		})
	}
}

// What cannot be proven is a finding, and so are probes that nobody can answer.
func TestDrillProvesNothing(t *testing.T) {
	drill := func(t *testing.T, s *atocore.Store, probes ...atocore.Query) []string {
		r := must(s.Backup(nil).Drill(t.Context(), &atocore.DrillOptions{Scratch: t.TempDir(), Probes: probes}))(t)
		if r.OK {
			t.Errorf("the drill passes: %+v", r)
		}
		return codes(r.Findings)
	}
	s := openStore(t, nil)
	if diff := cmp.Diff([]string{"drill_empty_store"}, drill(t, s)); diff != "" {
		t.Errorf("empty store (-want +got):\n%s", diff)
	}
	furnish(t, s)
	if diff := cmp.Diff([]string{"drill_no_probes"}, drill(t, s, atocore.Query{Text: "zzyzx", Mode: atocore.TextOnly})); diff != "" {
		t.Errorf("a probe without an answer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"drill_probe_failed"}, drill(t, s, atocore.Query{Text: "ferry", Project: "nowhere"}, atocore.Query{Text: "ferry"})); diff != "" {
		t.Errorf("a probe that fails (-want +got):\n%s", diff)
	}
	if _, err := s.Backup(nil).Drill(t.Context(), &atocore.DrillOptions{Probes: []atocore.Query{{}}}); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
}

// A snapshot that does not validate is not restored, and the findings say why.
func TestDrillOfUnsoundSnapshot(t *testing.T) {
	dir := furnished(t)
	b := backupOf(dir)
	snap := must(b.Create(t.Context(), nil))(t)
	f := must(os.OpenFile(filepath.Join(snap.Path, "atocore.db"), os.O_RDWR, 0))(t)
	if _, err := f.WriteAt([]byte{0xff}, 5000); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r := must(b.Drill(t.Context(), &atocore.DrillOptions{Stamp: snap.Stamp, Scratch: t.TempDir()}))(t)
	got := codes(r.Findings)
	if r.OK || !slices.Contains(got, "drill_snapshot_unsound") || !slices.Contains(got, "file_hash") {
		t.Errorf("ok %v, findings %v", r.OK, got)
	}
}

// A drill of a damaged store says that it is the store.
func TestDrillOfDamagedStore(t *testing.T) {
	dir := furnished(t)
	overwrite(t, dir, "When does it sail?", func(page []byte, _ int) { copy(page, strings.Repeat("\xff", len(page))) })
	r := must(backupOf(dir).Drill(t.Context(), &atocore.DrillOptions{Scratch: t.TempDir(), Probes: []atocore.Query{{Text: "When does it sail?"}}}))(t)
	for _, code := range []string{"drill_original_unreadable", "drill_snapshot_unsound", "source_damaged"} {
		if got := codes(r.Findings); r.OK || !slices.Contains(got, code) {
			t.Errorf("ok %v, findings %v, want %s", r.OK, got, code)
		}
	}
}

// Others write while the drill runs, in this process and by handles of their own:
// the drill compares with the instant of its snapshot, and nobody loses a write.
func TestDrillWhileWritten(t *testing.T) {
	dir := t.TempDir()
	s := openStoreIn(t, dir, nil)
	furnish(t, s)
	other := openStoreIn(t, dir, nil)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	written := make([]int, 2)
	started := make(chan struct{}, 2)
	for i, w := range []*atocore.Store{s, other} {
		wg.Go(func() {
			for ctx.Err() == nil {
				// t.Context, so that a write is not cut off half-way.
				if _, err := w.Remember(t.Context(), statement(fmt.Sprintf("The ferry of writer %d sails on trip %d", i, written[i]))); err != nil {
					t.Error(err)
					return
				}
				if written[i]++; written[i] == 1 {
					started <- struct{}{}
				}
			}
		})
	}
	<-started
	<-started
	for range 3 {
		wantDrillOK(t, must(backupOf(dir).Drill(t.Context(), &atocore.DrillOptions{Scratch: t.TempDir()}))(t))
	}
	stop()
	wg.Wait()
	n := 0
	for m := range slices.Values(collect(t, s.Memories(t.Context(), atocore.MemoryFilter{}))) {
		if strings.HasPrefix(m.Content, "The ferry of writer") {
			n++
		}
	}
	if n != written[0]+written[1] {
		t.Errorf("%d memories are there, %d were written", n, written[0]+written[1])
	}
}

// Time goes on between the original's answer and the copy's: statements that end
// meanwhile must not make a difference.
func TestDrillAcrossTime(t *testing.T) {
	c := newClock()
	s := openStore(t, &atocore.Options{Now: c.now})
	remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "The crane is out of order today", ValidUntil: c.now().Add(time.Minute)})
	remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "The crane lifts ten tonnes"})
	scratch := t.TempDir()
	r := must(s.Backup(nil).Drill(t.Context(), &atocore.DrillOptions{
		Scratch: scratch, Probes: []atocore.Query{{Text: "crane"}},
		Progress: func(p atocore.Progress) {
			if p.Step == "restore" {
				c.advance(time.Hour)
			}
		},
	}))(t)
	wantDrillOK(t, r)
	if r.Hits != 4 { // two memories, by words and by vectors
		t.Errorf("got %d hits, want 4", r.Hits)
	}
}

// Golden queries are asked by every drill, and can be taken back.
func TestProbes(t *testing.T) {
	s := openStore(t, nil)
	furnish(t, s)
	ctx := t.Context()
	p := must(s.AddProbe(ctx, atocore.Probe{Query: "When does the ferry leave?", Project: "PORT"}))(t)
	if p.Project != "harbour" || p.CreatedAt.IsZero() {
		t.Errorf("got %+v", p)
	}
	again := must(s.AddProbe(ctx, atocore.Probe{Query: p.Query, Project: "harbour"}))(t)
	if again != p {
		t.Errorf("the same probe again: got %+v, want %+v", again, p)
	}
	global := must(s.AddProbe(ctx, atocore.Probe{Query: p.Query}))(t)
	if diff := cmp.Diff([]atocore.Probe{global, p}, must(s.Probes(ctx))(t)); diff != "" {
		t.Errorf("probes (-want +got):\n%s", diff)
	}
	r := must(s.Backup(nil).Drill(ctx, &atocore.DrillOptions{Scratch: t.TempDir()}))(t)
	wantDrillOK(t, r)
	if r.Probes != 2 {
		t.Errorf("%d questions were asked, want the 2 that are stored", r.Probes)
	}
	for _, p := range []atocore.Probe{p, global} {
		if err := s.RemoveProbe(ctx, p); err != nil {
			t.Error(err)
		}
		if err := s.RemoveProbe(ctx, p); !errors.Is(err, atocore.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	}
	for _, p := range []atocore.Probe{{}, {Query: "\xff"}, {Query: "a\x00b"}} {
		if _, err := s.AddProbe(ctx, p); !errors.Is(err, atocore.ErrInvalid) {
			t.Errorf("%+v: got %v, want ErrInvalid", p, err)
		}
	}
	if _, err := s.AddProbe(ctx, atocore.Probe{Query: "a", Project: "nowhere"}); !errors.Is(err, atocore.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

// A drill that is interrupted leaves no copy behind.
func TestDrillInterrupted(t *testing.T) {
	s := openStore(t, nil)
	furnish(t, s)
	for _, step := range []string{"snapshot", "restore", "open", "compare"} {
		scratch := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		_, err := s.Backup(nil).Drill(ctx, &atocore.DrillOptions{Scratch: scratch, Progress: func(p atocore.Progress) {
			if p.Step == step {
				cancel()
			}
		}})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context.Canceled", step, err)
		}
		if left := names(t, scratch); len(left) > 0 {
			t.Errorf("%s: left in the scratch directory: %v", step, left)
		}
	}
	wantDrillOK(t, must(s.Backup(nil).Drill(t.Context(), &atocore.DrillOptions{Scratch: t.TempDir()}))(t))
}

// A drill of an older snapshot proves what that one holds, not what came since.
func TestDrillProvesTheSnapshotsInstant(t *testing.T) {
	s := openStore(t, nil)
	remember(t, s, statement("The ferry leaves on Tuesdays"))
	b := s.Backup(nil)
	old := must(b.Create(t.Context(), nil))(t)
	fresh := must(b.Drill(t.Context(), nil))(t)
	wantDrillOK(t, fresh)
	r := must(b.Drill(t.Context(), &atocore.DrillOptions{Stamp: old.Stamp}))(t)
	wantDrillOK(t, r)
	stats := must(s.Stats(t.Context()))(t)
	if !stats.LastDrill.Equal(r.EndedAt) || !stats.LastProven.Equal(fresh.SnapshotAt) || !r.SnapshotAt.Before(fresh.SnapshotAt) {
		t.Errorf("last drill %v, last proven %v, want %v and %v", stats.LastDrill, stats.LastProven, r.EndedAt, fresh.SnapshotAt)
	}
}
