package atocore_test

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/internal/schema"
)

// A small store of every released schema version is kept in testdata, for good. It
// holds a record of every kind, and its digest is that which its version gave. Those
// of schema 2 and 3 also have a drill, and that of 2 a conversation.
var oldStores = []struct {
	dir, digest string

	// Active, superseded and invalid memories, projects, state, documents, chunks,
	// interactions, vectors, and texts that wait for theirs.
	holds [10]int
}{
	{"store-v1", "5827c777b9676d9b847a872ae50acd7cca2cf84484f0b1603e108b561c00825b", [10]int{7, 1, 1, 1, 1, 1, 1, 1, 12, 0}},
	{"store-v2", "49d0bdce8e5dbe32b7bcfb8fdd6d50958fcae5f51e36daa95672a6220eea71f9", [10]int{6, 1, 1, 1, 1, 3, 3, 1, 13, 0}},
	{"store-v3", "aff102721cfad0579efd5e3a7d14f2b18ccb2a5918dad2cf7bf7c1691820a594", [10]int{7, 1, 1, 1, 1, 1, 1, 1, 13, 0}},
}

// They open, are what they were, with the vectors that they had, are found by what
// is new in their index, and stand a drill.
func TestOldStores(t *testing.T) {
	if versions := len(schema.Migrations()); len(oldStores) < versions-1 {
		t.Errorf("%d stores are kept, of %d versions", len(oldStores), versions)
	}
	for _, old := range oldStores {
		t.Run(old.dir, func(t *testing.T) {
			s := openStoreIn(t, unpackStore(t, filepath.Join("testdata", old.dir)), nil)
			if got := digest(t, s); got != old.digest {
				t.Errorf("digest %s, want %s", got, old.digest)
			}
			stats := must(s.Stats(t.Context()))(t)
			got := [10]int{
				stats.Memories[atocore.Active], stats.Memories[atocore.Superseded], stats.Memories[atocore.Invalid],
				stats.Projects, stats.State, stats.Documents, stats.Chunks, stats.Interactions, stats.Vectors, stats.Pending,
			}
			if diff := cmp.Diff(old.holds, got); diff != "" {
				t.Errorf("what the store holds (-want +got):\n%s", diff)
			}
			if hits := search(t, s, atocore.Query{Text: "ferry on Thursdays"}).Hits; len(hits) == 0 || hits[0].Text != "The ferry leaves on Thursdays." {
				t.Errorf("found %+v", hits)
			}
			wantDrillOK(t, must(s.Backup(nil).Drill(t.Context(), nil))(t))
		})
	}
	// What an older version had no index of: who was answered, and the day.
	s := openStoreIn(t, unpackStore(t, filepath.Join("testdata", "store-v2")), nil)
	if drills := must(s.Backup(nil).Drills(t.Context()))(t); len(drills) != 1 || !drills[0].OK {
		t.Errorf("drills: got %+v, want the one that was", drills)
	}
	for _, question := range []string{"tanker", "April 8"} {
		got := texts(search(t, s, atocore.Query{Text: question, Mode: atocore.TextOnly, Kinds: []atocore.Kind{atocore.KindChunk}}))
		slices.Sort(got)
		if diff := cmp.Diff([]string{"The third one, by the crane.", "Which berth did the tanker take?"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", question, diff)
		}
	}
}

// A snapshot of every format is kept as well: it is restored, opens as a store of
// now, is searched and stands a drill.
func TestOldSnapshots(t *testing.T) {
	dir := t.TempDir()
	const stamp, want = "20260409T131321Z", "5827c777b9676d9b847a872ae50acd7cca2cf84484f0b1603e108b561c00825b"
	to := filepath.Join(dir, "backups", "snapshots")
	if err := os.CopyFS(to, os.DirFS(filepath.Join("backup", "testdata", "format1"))); err != nil {
		t.Fatal(err)
	}
	b := backupOf(dir)
	r := must(b.Restore(t.Context(), stamp, confirmed))(t)
	if !r.DigestOK || !r.VectorsRestored || r.VectorsPending != 0 {
		t.Errorf("restore: %+v", r)
	}
	s := openStoreIn(t, dir, nil)
	if got := digest(t, s); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	if hits := search(t, s, atocore.Query{Text: "ferry on Thursdays"}).Hits; len(hits) == 0 || hits[0].Text != "The ferry leaves on Thursdays." {
		t.Errorf("found %+v", hits)
	}
	wantDrillOK(t, must(s.Backup(nil).Drill(t.Context(), nil))(t))
	wantDrillOK(t, must(s.Backup(nil).Drill(t.Context(), &atocore.DrillOptions{Stamp: stamp}))(t))
}

// unpackStore makes a data directory of one in testdata.
func unpackStore(t testing.TB, from string) string {
	t.Helper()
	dir := t.TempDir()
	packed, err := os.Open(filepath.Join(from, "atocore.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	db, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "atocore.db"), db, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "files"), os.DirFS(filepath.Join(from, "files"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// An export of every version of the format is kept, of records and of a journal. They
// are read, and nothing of them is lost.
func TestOldExports(t *testing.T) {
	for _, version := range []string{"export1"} {
		read := func(name string) *atocore.ExportReader {
			t.Helper()
			f := must(os.Open(filepath.Join("testdata", version, name)))(t)
			t.Cleanup(func() { f.Close() })
			return must(atocore.ReadExport(f))(t)
		}
		replayed := openStoreIn(t, t.TempDir(), nil)
		journal := read("journal.jsonl")
		if err := replayed.ReplayExport(t.Context(), journal); err != nil {
			t.Fatal(err)
		}
		s := openStoreIn(t, t.TempDir(), nil)
		records := read("records.jsonl")
		report := must(s.Import(t.Context(), records.Records(), nil))(t)
		if report.Added != 20 || report.Updated+report.Unchanged+len(report.Skipped) > 0 {
			t.Errorf("%s: %+v", version, report)
		}
		if d := records.Header().Digest; d != journal.Header().Digest || d != digest(t, replayed) {
			t.Errorf("%s: digest %s", version, d)
		}
		if diff := cmp.Diff(held(t, replayed), held(t, s)); diff != "" {
			t.Errorf("%s: what the records lack of the journal's store (-replayed +imported):\n%s", version, diff)
		}
		if hits := search(t, s, atocore.Query{Text: "ferry on Thursdays", Kinds: []atocore.Kind{atocore.KindMemory}}).Hits; len(hits) == 0 || hits[0].Text != "The ferry leaves on Thursdays." {
			t.Errorf("%s: found %+v", version, hits)
		}
	}
}
