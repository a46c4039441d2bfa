package atocore_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// A scattered embedder gives each text a vector of its own, drawn by its hash
// around one of a few centres.
type scattered struct{}

const scatteredDimensions = 48

func (scattered) Space() atocore.Space {
	return atocore.Space{Name: "scattered", Dimensions: scatteredDimensions, Fingerprint: "1"}
}

func (scattered) vector(text string) []float32 {
	h := fnv.New64a()
	h.Write([]byte(text))
	rng := rand.New(rand.NewPCG(h.Sum64(), 1))
	centre := rand.New(rand.NewPCG(h.Sum64()%16, 2))
	v := make([]float32, scatteredDimensions)
	for i := range v {
		v[i] = float32(centre.NormFloat64() + 0.7*rng.NormFloat64())
	}
	return v
}

func (e scattered) Embed(_ context.Context, texts []string, _ atocore.Purpose) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		out[i] = e.vector(text)
	}
	return out, nil
}

// coded is a store with so many vectors that they have codes, and what it holds.
func coded(t testing.TB, dir string) (*atocore.Store, []atocore.Memory) {
	t.Helper()
	s := openStoreIn(t, dir, &atocore.Options{Embedder: scattered{}, Durability: atocore.Normal})
	var all []atocore.Memory
	for i := range 3 {
		all = append(all, must(s.RememberAll(t.Context(), batch(fmt.Sprint("batch", i), 700)))(t)...)
	}
	if !atocore.HasCodes(t.Context(), s) {
		t.Fatal("the vectors have no codes")
	}
	return s, all
}

// nearest are the contents of the memories whose vectors have the greatest cosines
// with the question's, compared one by one.
func nearest(question string, all []atocore.Memory, n int) []string {
	type scored struct {
		content string
		cosine  float64
	}
	q := scattered{}.vector(question)
	var list []scored
	for _, m := range all {
		v := scattered{}.vector(m.Content)
		var dot, a, b float64
		for i := range v {
			dot += float64(q[i]) * float64(v[i])
			a += float64(q[i]) * float64(q[i])
			b += float64(v[i]) * float64(v[i])
		}
		list = append(list, scored{m.Content, dot / math.Sqrt(a*b)})
	}
	slices.SortFunc(list, func(a, b scored) int { return cmp.Compare(b.cosine, a.cosine) })
	var out []string
	for _, s := range list[:n] {
		out = append(out, s.content)
	}
	return out
}

// Exact compares every vector; the codes miss little of that.
func TestExact(t *testing.T) {
	s, all := coded(t, t.TempDir())
	const questions, limit = 20, 10
	missed := 0
	for i := range questions {
		q := atocore.Query{Text: fmt.Sprint("question ", i), Mode: atocore.VectorOnly, Limit: limit, Exact: true}
		want := nearest(q.Text, all, limit)
		if diff := gocmp.Diff(want, texts(search(t, s, q))); diff != "" {
			t.Errorf("%s, exact (-want +got):\n%s", q.Text, diff)
		}
		q.Exact = false
		got := texts(search(t, s, q))
		for _, w := range want {
			if !slices.Contains(got, w) {
				missed++
			}
		}
	}
	if missed > questions*limit/20 {
		t.Errorf("the codes miss %d of %d neighbours", missed, questions*limit)
	}
}

// Codes that are missing are made anew in memory, so that every search finds all the
// same; the check says so.
func TestMissingCodesAreNoticed(t *testing.T) {
	dir := t.TempDir()
	s, all := coded(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, dir, `DELETE FROM codes WHERE block = 0`)
	s = openUnchecked(t, dir, &atocore.Options{Embedder: scattered{}})
	// The first batch is in block 0, and said again word for word is its own
	// nearest neighbour.
	q := atocore.Query{Text: all[7].Content, Mode: atocore.VectorOnly, Limit: 1, Exact: true}
	if diff := gocmp.Diff([]string{q.Text}, texts(search(t, s, q))); diff != "" {
		t.Errorf("exact (-want +got):\n%s", diff)
	}
	q.Exact = false
	if diff := gocmp.Diff([]string{q.Text}, texts(search(t, s, q))); diff != "" {
		t.Errorf("by codes (-want +got):\n%s", diff)
	}
	if got := codes(must(s.Check(t.Context()))(t).Findings); !slices.Equal(got, []string{"codes_stale"}) {
		t.Errorf("check: got %q, want codes_stale", got)
	}
	if err := s.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkStore(t, s)
	if diff := gocmp.Diff([]string{q.Text}, texts(search(t, s, q))); diff != "" {
		t.Errorf("after the repair (-want +got):\n%s", diff)
	}
}

// What a store has in segments and codes is proven by a drill, also of a snapshot
// that has no vectors: their codes are left out of it with them, and come back.
func TestDrillOfSegmentsAndCodes(t *testing.T) {
	dir := t.TempDir()
	s, _ := coded(t, dir)
	wantDrillOK(t, must(s.Backup(nil).Drill(t.Context(), nil))(t))
	snap := must(s.Backup(nil).Create(t.Context(), &atocore.SnapshotOptions{NoVectors: true}))(t)
	for _, table := range []string{"vectors", "codes", "code_means"} {
		if n := snap.Manifest.Counts[table]; n != 0 {
			t.Errorf("the snapshot has %d rows of %s", n, table)
		}
	}
	for _, table := range []string{"segments", "segment_blocks", "units", "unit_blocks"} {
		if n := snap.Manifest.Counts[table]; n == 0 {
			t.Errorf("the snapshot has no rows of %s", table)
		}
	}
	wantDrillOK(t, must(s.Backup(nil).Drill(t.Context(), &atocore.DrillOptions{Stamp: snap.Stamp}))(t))
	before := digest(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	opts := &atocore.Options{Embedder: scattered{}, CompileCache: cacheDir}
	r := must(atocore.NewBackup(dir, &atocore.BackupOptions{Options: opts}).Restore(t.Context(), snap.Stamp, confirmed))(t)
	if r.VectorsRebuilt != 2100 || r.VectorsPending != 0 {
		t.Errorf("%d vectors rebuilt and %d pending, want 2100 and none", r.VectorsRebuilt, r.VectorsPending)
	}
	s = openStoreIn(t, dir, opts)
	if !atocore.HasCodes(t.Context(), s) {
		t.Error("the restored vectors have no codes")
	}
	if got := digest(t, s); got != before {
		t.Errorf("digest %s, want %s", got, before)
	}
}

// Damage of what is packed is found, by its code, and repaired. Columns and codes
// that are damaged are read from the rows and the vectors, and a search finds what
// it did; postings are nowhere else, and a search of them fails.
func TestDamagedIndex(t *testing.T) {
	const (
		works   = iota // searches find what they did
		wrong          // they may not
		corrupt        // they fail
	)
	from := t.TempDir()
	s, _ := coded(t, from)
	questions := []atocore.Query{{Text: "batch1 77", Mode: atocore.TextOnly}, {Text: "question 3", Mode: atocore.VectorOnly, Limit: 3}}
	var want [][]string
	for _, q := range questions {
		want = append(want, texts(search(t, s, q)))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		code      string
		search    int
		statement string
	}{
		"columns cut":       {"columns_stale", works, `UPDATE unit_blocks SET data = substr(data, 1, 2000) WHERE block = 0`},
		"columns changed":   {"columns_stale", works, `UPDATE unit_blocks SET data = CAST(substr(data, 1, 2000) || x'ffffff' || substr(data, 2004) AS BLOB) WHERE block = 0`},
		"columns of others": {"columns_stale", wrong, `UPDATE unit_blocks SET data = (SELECT data FROM unit_blocks WHERE block = 1) WHERE block = 0`},
		"columns gone":      {"columns_stale", wrong, `DELETE FROM unit_blocks WHERE block = 0`},
		"codes cut":         {"codes_stale", works, `UPDATE codes SET data = substr(data, 1, 100) WHERE block = 1`},
		"codes of others":   {"codes_stale", works, `UPDATE codes SET data = (SELECT data FROM codes WHERE block = 0) WHERE block = 1`},
		"mean cut":          {"codes_stale", works, `UPDATE code_means SET mean = substr(mean, 1, 20)`},
		"postings cut":      {"fts_integrity", corrupt, `UPDATE segment_blocks SET data = substr(data, 1, length(data) - 3)`},
		"postings changed":  {"fts_integrity", corrupt, `UPDATE segment_blocks SET data = CAST(substr(data, 1, 50) || x'ffffff' || substr(data, 54) AS BLOB)`},
		"postings gone":     {"fts_parity", wrong, `DELETE FROM segment_blocks`},
		"segment gone":      {"fts_parity", wrong, `DELETE FROM segments WHERE segment = (SELECT min(segment) FROM segments)`},
		"units of others":   {"units_stale", wrong, `UPDATE units SET body_length = body_length + 1 WHERE unit = 5`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			copyStore(t, dir, from)
			damage(t, dir, tt.statement)
			s := openUnchecked(t, dir, &atocore.Options{Embedder: scattered{}, Durability: atocore.Normal})
			var failed error
			for i, q := range questions {
				got, err := s.Retriever(nil).Search(t.Context(), q)
				if err != nil {
					failed = err
				} else if diff := gocmp.Diff(want[i], texts(got)); tt.search == works && diff != "" {
					t.Errorf("%s (-before +after):\n%s", q.Text, diff)
				}
			}
			if (failed != nil) != (tt.search == corrupt) || failed != nil && !strings.Contains(failed.Error(), "damaged") {
				t.Errorf("search: %v", failed)
			}
			report := must(s.Check(t.Context()))(t)
			if !slices.Contains(codes(report.Findings), tt.code) {
				t.Errorf("got %+v, want %s", report.Findings, tt.code)
			}
			if err := s.Repair(t.Context()); err != nil {
				t.Fatal(err)
			}
			checkStore(t, s)
			for i, q := range questions {
				if diff := gocmp.Diff(want[i], texts(search(t, s, q))); diff != "" {
					t.Errorf("%s after the repair (-want +got):\n%s", q.Text, diff)
				}
			}
		})
	}
}

// copyStore copies a closed store's database.
func copyStore(t *testing.T, to, from string) {
	t.Helper()
	for _, name := range []string{"atocore.db", "atocore.db-wal"} {
		copyFile(t, filepath.Join(to, name), filepath.Join(from, name))
	}
}

// copyFile copies a file, if it is there.
func copyFile(t *testing.T, to, from string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
