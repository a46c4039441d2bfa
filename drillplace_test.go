package atocore_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/atocore/atocore"
)

func inPlace(progress func(atocore.Progress)) *atocore.DrillOptions {
	return &atocore.DrillOptions{InPlace: true, ConfirmServiceStopped: true, Progress: progress}
}

// A drill in place restores over the store itself: the marker that it planted is
// gone, everything else is there, and it can be undone.
func TestDrillInPlace(t *testing.T) {
	dir := furnished(t)
	b := backupOf(dir)
	s := openStoreIn(t, dir, nil)
	before := digest(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r := must(b.Drill(t.Context(), inPlace(nil)))(t)
	wantDrillOK(t, r)
	if r.Digest != before || !r.InPlace || r.PreRestoreSnapshot == "" {
		t.Errorf("digest before %s; report %+v", before, r)
	}
	s = openStoreIn(t, dir, nil)
	if digest(t, s) != before {
		t.Error("the store is not what it was")
	}
	if hits := must(s.Retriever(nil).Search(t.Context(), atocore.Query{Text: "drill marker", Mode: atocore.TextOnly}))(t).Hits; len(hits) > 0 {
		t.Errorf("found after the drill: %v", hits)
	}
	if stats := must(s.Stats(t.Context()))(t); stats.LastProven == nil {
		t.Error("the store does not know that it is proven")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The marker was there: what the restore has saved has it.
	must(b.Undo(t.Context(), &atocore.RestoreOptions{ConfirmServiceStopped: true}))(t)
	s = openStoreIn(t, dir, nil)
	if hits := must(s.Retriever(nil).Search(t.Context(), atocore.Query{Text: "drill marker", Mode: atocore.TextOnly}))(t).Hits; len(hits) != 1 || hits[0].Type != atocore.Episodic {
		t.Errorf("found after the undo: %v", hits)
	}
}

// A restore that does not replace the store leaves the marker in it, and that is
// found whatever else is.
func TestDrillInPlaceMarkerStays(t *testing.T) {
	dir := furnished(t)
	name := filepath.Join(dir, "atocore.db")
	var old []byte
	r := must(backupOf(dir).Drill(t.Context(), inPlace(func(p atocore.Progress) {
		switch {
		case p.Step == "restore" && old == nil:
			old = must(os.ReadFile(name))(t)
		case p.Step == "open":
			if err := os.WriteFile(name, old, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})))(t)
	got := codes(r.Findings)
	if r.OK || !slices.Contains(got, "drill_marker_still_present") || !slices.Contains(got, "drill_digest") {
		t.Errorf("ok %v, findings %v", r.OK, got)
	}
}

// Without the confirmation, on a store that somebody has open, or of an older
// snapshot there is no drill in place, and nothing is written.
func TestDrillInPlaceRefuses(t *testing.T) {
	dir := furnished(t)
	b := backupOf(dir)
	s := openStoreIn(t, dir, nil)
	seq := lastSeq(t, s)
	for _, tt := range []struct {
		name string
		b    *atocore.Backup
		o    atocore.DrillOptions
		want error
	}{
		{"unconfirmed", b, atocore.DrillOptions{InPlace: true}, atocore.ErrInvalid},
		{"an older snapshot", b, atocore.DrillOptions{InPlace: true, ConfirmServiceStopped: true, Stamp: "latest"}, atocore.ErrInvalid},
		{"open elsewhere", b, *inPlace(nil), atocore.ErrInUse},
		{"open here", s.Backup(nil), *inPlace(nil), atocore.ErrInUse},
	} {
		_, err := tt.b.Drill(t.Context(), &tt.o)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		if errors.Is(tt.want, atocore.ErrInUse) && !strings.Contains(err.Error(), "pid ") {
			t.Errorf("%s: the error does not name the holder: %v", tt.name, err)
		}
	}
	if got := lastSeq(t, s); got != seq {
		t.Errorf("journal at %d, was at %d", got, seq)
	}
	if list := must(b.List(t.Context()))(t); len(list) > 0 {
		t.Errorf("snapshots: %+v", list)
	}
}

// A drill in place that cannot go on takes its marker back.
func TestDrillInPlaceTakesMarkerBack(t *testing.T) {
	dir := furnished(t)
	var s *atocore.Store
	_, err := backupOf(dir).Drill(t.Context(), inPlace(func(p atocore.Progress) {
		if p.Step == "restore" && s == nil { // a service that comes back too early
			s = openStoreIn(t, dir, nil)
		}
	}))
	if !errors.Is(err, atocore.ErrInUse) {
		t.Fatalf("got %v, want ErrInUse", err)
	}
	if hits := must(s.Retriever(nil).Search(t.Context(), atocore.Query{Text: "drill marker", Mode: atocore.TextOnly}))(t).Hits; len(hits) > 0 {
		t.Errorf("found after the drill: %v", hits)
	}
}

// A snapshot that is unsound from the start is not restored: that is the finding,
// and the store is left alone, without a marker in it.
func TestDrillInPlaceOfUnsoundStore(t *testing.T) {
	dir := furnished(t)
	originals := must(filepath.Glob(filepath.Join(dir, "files", "*", "*")))(t)
	if len(originals) != 1 {
		t.Fatalf("originals: %v", originals)
	}
	if err := os.Remove(originals[0]); err != nil {
		t.Fatal(err)
	}
	r := must(backupOf(dir).Drill(t.Context(), inPlace(nil)))(t)
	got := codes(r.Findings)
	if r.OK || !slices.Contains(got, "drill_snapshot_unsound") || !slices.Contains(got, "source_damaged") || slices.Contains(got, "drill_marker_still_present") {
		t.Errorf("ok %v, findings %v", r.OK, got)
	}
	wantNoMarker(t, dir)
}

// A snapshot that is damaged before it is restored leaves the store as it was, and
// the drill takes its marker back.
func TestDrillInPlaceThatRestoresNothing(t *testing.T) {
	dir := furnished(t)
	b := backupOf(dir)
	r := must(b.Drill(t.Context(), inPlace(func(p atocore.Progress) {
		if p.Step == "restore" {
			for _, snap := range must(b.List(t.Context()))(t) {
				if err := os.Truncate(filepath.Join(snap.Path, "atocore.db"), 4096); err != nil {
					t.Error(err)
				}
			}
		}
	})))(t)
	got := codes(r.Findings)
	if r.OK || !slices.Contains(got, "drill_snapshot_unsound") || slices.Contains(got, "drill_marker_still_present") {
		t.Errorf("ok %v, findings %v", r.OK, got)
	}
	wantNoMarker(t, dir)
}

func wantNoMarker(t *testing.T, dir string) {
	t.Helper()
	s := openUnchecked(t, dir, nil)
	if hits := must(s.Retriever(nil).Search(t.Context(), atocore.Query{Text: "drill marker", Mode: atocore.TextOnly}))(t).Hits; len(hits) > 0 {
		t.Errorf("found after the drill: %v", hits)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
