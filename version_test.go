package atocore_test

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// A small store of every released schema version is kept in testdata, for good. It
// holds a record of every kind, and its digest is that which its version gave.
var oldStores = []struct{ dir, digest string }{
	{"store-v1", "5827c777b9676d9b847a872ae50acd7cca2cf84484f0b1603e108b561c00825b"},
}

func TestOldStores(t *testing.T) {
	for _, old := range oldStores {
		t.Run(old.dir, func(t *testing.T) {
			s := openStoreIn(t, unpackStore(t, filepath.Join("testdata", old.dir)), nil)
			if got := digest(t, s); got != old.digest {
				t.Errorf("digest %s, want %s", got, old.digest)
			}
			stats, err := s.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := []int{
				stats.Memories[atocore.Active], stats.Memories[atocore.Superseded], stats.Memories[atocore.Invalid],
				stats.Projects, stats.State, stats.Documents, stats.Chunks, stats.Interactions, stats.Vectors, stats.Pending,
			}
			if diff := cmp.Diff([]int{7, 1, 1, 1, 1, 1, 1, 1, 12, 0}, got); diff != "" {
				t.Errorf("what the store holds (-want +got):\n%s", diff)
			}
			found, err := s.Retriever(nil).Search(t.Context(), atocore.Query{Text: "ferry on Thursdays"})
			if err != nil || len(found.Hits) == 0 || found.Hits[0].Text != "The ferry leaves on Thursdays." {
				t.Errorf("found %+v, %v", found.Hits, err)
			}
		})
	}
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
