package atocore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// A sound store is found sound, however often it is written and checked: the
// connections that check it have seen it before.
func TestCheckAfterEachWrite(t *testing.T) {
	dir := t.TempDir()
	s := openStoreIn(t, dir, nil)
	other := openStoreIn(t, dir, nil)
	for i := range 6 {
		remember(t, s, statement(fmt.Sprintf("The ferry leaves at %d", i)))
		checkStore(t, s)
		checkStore(t, other)
		if i == 3 {
			if err := s.Repair(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A check is true also where other connections have written since this one looked:
// it follows no view of the index, but reads what is there.
func TestCheckAfterOthersHaveWritten(t *testing.T) {
	dir := t.TempDir()
	a, b := openStoreIn(t, dir, nil), openStoreIn(t, dir, nil)
	for i := range 30 {
		for j := range 5 {
			remember(t, b, statement(fmt.Sprintf("fact %d of round %d", j, i)))
		}
		checkStore(t, a)
	}
}

// damage runs statements in the store's database, behind its back.
func damage(t *testing.T, dir string, statements ...string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{
		Path: filepath.Join(dir, "atocore.db"), LockPath: filepath.Join(dir, "atocore.lock"),
		ApplicationID: schema.ApplicationID, Migrations: schema.Migrations(), CacheDir: cacheDir,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Write(t.Context(), func(tx *sqlite.Tx) error {
		for _, q := range statements {
			if n, err := tx.Exec(q); err != nil || n == 0 {
				return fmt.Errorf("%s: %d rows changed: %w", q, n, err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Each kind of damage is found, by its code, and what is derived is repaired.
func TestCheckFindsDamage(t *testing.T) {
	const anyMemory = `(SELECT unit FROM units WHERE kind = 'memory' ORDER BY unit LIMIT 1)`
	for _, tt := range []struct {
		code   string
		lost   bool // whether it is a record or an original, so that Repair cannot help
		damage func(t *testing.T, dir string)
	}{
		{"units_missing", false, func(t *testing.T, dir string) {
			damage(t, dir, `DELETE FROM vectors WHERE unit = `+anyMemory, `DELETE FROM unit_terms WHERE unit = `+anyMemory, `DELETE FROM units WHERE unit = `+anyMemory)
		}},
		{"units_orphaned", false, func(t *testing.T, dir string) {
			damage(t, dir, `DELETE FROM memories WHERE content LIKE 'two%'`)
		}},
		{"units_stale", false, func(t *testing.T, dir string) {
			damage(t, dir, `UPDATE memories SET content = 'another text' WHERE content LIKE 'two%'`)
		}},
		{"units_stale", false, func(t *testing.T, dir string) {
			damage(t, dir, `UPDATE units SET status = 'superseded' WHERE unit = `+anyMemory)
		}},
		{"units_stale", false, func(t *testing.T, dir string) {
			damage(t, dir, `UPDATE unit_terms SET terms = (SELECT terms FROM unit_terms ORDER BY unit DESC LIMIT 1) WHERE unit = `+anyMemory)
		}},
		{"fts_parity", false, func(t *testing.T, dir string) { damage(t, dir, `DELETE FROM unit_terms WHERE unit = `+anyMemory) }},
		{"fts_parity", false, func(t *testing.T, dir string) {
			damage(t, dir, `INSERT INTO unit_terms (unit, terms) SELECT 999, terms FROM unit_terms LIMIT 1`)
		}},
		{"fts_integrity", false, func(t *testing.T, dir string) {
			damage(t, dir, `UPDATE unit_terms SET terms = x'0001ff' WHERE unit = `+anyMemory)
		}},
		{"vectors_missing", false, func(t *testing.T, dir string) { damage(t, dir, `DELETE FROM vectors WHERE unit = `+anyMemory) }},
		{"vectors_orphaned", false, func(t *testing.T, dir string) {
			damage(t, dir, `UPDATE vectors SET unit = 999 WHERE unit = `+anyMemory)
		}},
		{"vectors_orphaned", false, func(t *testing.T, dir string) { damage(t, dir, `INSERT INTO embedding_queue (unit) VALUES (999)`) }},
		{"original_missing", true, func(t *testing.T, dir string) {
			for _, name := range originals(t, dir) {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"original_missing", true, func(t *testing.T, dir string) {
			for _, name := range originals(t, dir) {
				if err := os.WriteFile(name, []byte("cut"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"original_orphaned", false, func(t *testing.T, dir string) {
			name := filepath.Join(dir, "files", "aa", strings.Repeat("a", 64))
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"original_orphaned", false, func(t *testing.T, dir string) { // one that a crash has left half written
			name := filepath.Join(dir, "files", "aa", ".new-123")
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			old := time.Now().Add(-2 * time.Hour)
			if err := os.Chtimes(name, old, old); err != nil {
				t.Fatal(err)
			}
		}},
		{"integrity_check", true, func(t *testing.T, dir string) {
			overwrite(t, dir, "the words of the interaction", func(page []byte, _ int) { copy(page, strings.Repeat("\xff", len(page))) })
		}},
	} {
		t.Run(tt.code, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			dir := t.TempDir()
			s := openStoreIn(t, dir, &atocore.Options{Durability: atocore.Normal})
			addProject(t, s, "harbour")
			must(s.RememberAll(ctx, []atocore.Memory{statement("one memory"), statement("two memories")}))(t)
			must(s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: "k", Value: "v"}))(t)
			must(s.Capture(ctx, atocore.Interaction{Prompt: "the words of the interaction"}))(t)
			must(s.Ingest(ctx, fstest.MapFS{"a.md": {Data: []byte("# A\n\ntext\n")}}, &atocore.IngestOptions{KeepOriginals: true}))(t)
			if err := s.Close(); err != nil { // checks nothing then, what follows is damaged
				t.Fatal(err)
			}
			tt.damage(t, dir)
			s = openUnchecked(t, dir, &atocore.Options{Durability: atocore.Normal})
			report, err := s.Check(ctx)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(report.Findings, func(f atocore.Finding) bool { return f.Code == tt.code })
			if i < 0 || report.OK {
				t.Fatalf("got %+v, want a finding %s", report, tt.code)
			}
			codes(report.Findings)
			if f := report.Findings[i]; f.Path == "" || f.Expected == "" || f.Found == "" || f.Hint == "" {
				t.Errorf("the finding says too little: %+v", f)
			}
			if tt.lost {
				return
			}
			if err := s.Repair(ctx); err != nil {
				t.Fatal(err)
			}
			checkStore(t, s)
		})
	}
}

// overwrite changes the page of the database file that has the text, at the
// place that it is at.
func overwrite(t *testing.T, dir, text string, change func(page []byte, at int)) {
	t.Helper()
	const size = 4096
	name := filepath.Join(dir, "atocore.db")
	data := must(os.ReadFile(name))(t)
	i := strings.Index(string(data), text)
	if i < 0 {
		t.Fatalf("%q is not in the file", text)
	}
	change(data[i/size*size:(i/size+1)*size], i%size)
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func originals(t *testing.T, dir string) []string {
	t.Helper()
	names := must(filepath.Glob(filepath.Join(dir, "files", "??", "*")))(t)
	if len(names) == 0 {
		t.Fatal("no originals")
	}
	return names
}

// Repair leaves records, the journal, and vectors that are sound as they are.
func TestRepairTouchesNoRecord(t *testing.T) {
	e := newFake("fake")
	s := openStore(t, &atocore.Options{Embedder: e})
	for i := range 20 {
		remember(t, s, statement(fmt.Sprintf("memory %d", i)))
	}
	before, asked := digest(t, s), e.asked()
	q := atocore.Query{Text: "memory 7", Limit: 20}
	hits := hitIDs(t, s, q)
	if err := s.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	if digest(t, s) != before {
		t.Error("Repair has changed records")
	}
	if got := e.asked(); got != asked {
		t.Errorf("Repair of a sound store embeds %d texts", got-asked)
	}
	if d := cmp.Diff(hits, hitIDs(t, s, q)); d != "" {
		t.Errorf("search after Repair (-before +after):\n%s", d)
	}
}

// Vectors that have no cosine are found, do not keep a search from its answer, and
// are made anew: below the number from which there are codes, and above.
func TestDamagedVectors(t *testing.T) {
	for _, n := range []int{100, 1_200} {
		for _, damaged := range []string{`zeroblob(12)`, `zeroblob(length(vector))`, `x'0000c07f' || substr(vector, 5)`} {
			t.Run(fmt.Sprint(n, " ", damaged), func(t *testing.T) {
				ctx, dir := t.Context(), t.TempDir()
				opts := &atocore.Options{Embedder: &topical{}}
				s := openUnchecked(t, dir, opts)
				var batch []atocore.Memory
				for i := range n {
					batch = append(batch, atocore.Memory{Type: atocore.Knowledge, Content: topicalText(i)})
				}
				must(s.RememberAll(ctx, batch))(t)
				must(s.EmbedPending(ctx))(t)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				damage(t, dir, `UPDATE vectors SET vector = CAST(`+damaged+` AS BLOB) WHERE unit = 3`)

				s = openUnchecked(t, dir, opts)
				defer func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				}()
				q := atocore.Query{Text: topicalText(4), Mode: atocore.VectorOnly}
				if got := must(s.Retriever(nil).Search(ctx, q))(t); len(got.Hits) == 0 {
					t.Error("nothing is found beside a damaged vector")
				}
				if err := s.MeasureTrust(ctx); err != nil {
					t.Error(err)
				}
				report := must(s.Check(ctx))(t)
				if !slices.ContainsFunc(report.Findings, func(f atocore.Finding) bool { return f.Code == "vectors_damaged" }) {
					t.Errorf("check: got %+v, want vectors_damaged", report.Findings)
				}
				if err := s.Repair(ctx); err != nil {
					t.Fatal(err)
				}
				if report := must(s.Check(ctx))(t); !report.OK {
					t.Errorf("after a repair: %+v", report.Findings)
				}
				q.Text = topicalText(2) // the text of unit 3
				if got := must(s.Retriever(nil).Search(ctx, q))(t); len(got.Hits) == 0 || got.Hits[0].Text != topicalText(2) {
					t.Errorf("after a repair: got %v", got.Hits)
				}
			})
		}
	}
}
