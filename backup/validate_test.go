package backup_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/backup"
)

// Each fault is found and has its code; and nothing else is.
func TestValidateFinds(t *testing.T) {
	c, db := newStore(t, 100)
	write(t, db, `INSERT INTO probes (query, created_at) VALUES ('q', ''); INSERT INTO projects (name, aliases, description, created_at, updated_at) VALUES ('harbour', '[]', 'the quay', '', '');
		UPDATE memories SET project = 'harbour' WHERE id = 'm00007'`)
	whole := create(t, c, backup.CreateOptions{})
	sum := sumOf([]byte("original 1\n"))
	original := "files/" + sum[:2] + "/" + sum

	// What only the deep check can see: the manifest agrees with the files.
	deep := func(script string, change func(*backup.Manifest)) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			edit(t, dir, script)
			rewrite(t, dir, change)
		}
	}
	// What SQL refuses to do.
	swap := func(old, new string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			name := filepath.Join(dir, backup.DatabaseName)
			b := readFile(t, name)
			if n := bytes.Count(b, []byte(old)); n != 1 {
				t.Fatalf("%q is there %d times", old, n)
			}
			writeFile(t, name, string(bytes.Replace(b, []byte(old), []byte(new), 1)))
			rewrite(t, dir, nil)
		}
	}
	recount := func(table string, by int64) func(*backup.Manifest) {
		return func(m *backup.Manifest) { m.Counts[table] += by }
	}
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   []string
	}{
		{"nothing", func(*testing.T, string) {}, nil},
		{"the manifest written anew", func(t *testing.T, dir string) { rewrite(t, dir, nil) }, nil},

		{"manifest missing", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, backup.ManifestName)) }, []string{"manifest_missing"}},
		{"manifest a directory", func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, backup.ManifestName))
			writeFile(t, filepath.Join(dir, backup.ManifestName, "x"), "x")
		}, []string{"manifest_unreadable"}},
		{"manifest a link", func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, backup.ManifestName))
			if err := os.Symlink(filepath.Join(whole.Path, backup.ManifestName), filepath.Join(dir, backup.ManifestName)); err != nil {
				t.Fatal(err)
			}
		}, []string{"manifest_unreadable"}},
		{"manifest empty", func(t *testing.T, dir string) { truncate(t, filepath.Join(dir, backup.ManifestName), 0) }, []string{"manifest_checksum"}},
		{"manifest edited", func(t *testing.T, dir string) {
			name := filepath.Join(dir, backup.ManifestName)
			b := bytes.Replace(readFile(t, name), []byte(`"vectors": true`), []byte(`"vectors":false`), 1)
			writeFile(t, name, string(b))
		}, []string{"manifest_checksum"}},
		{"manifest of a later format", func(t *testing.T, dir string) {
			rewrite(t, dir, func(m *backup.Manifest) { m.Format = 2 })
		}, []string{"manifest_version"}},
		{"manifest leads out", func(t *testing.T, dir string) {
			rewrite(t, dir, func(m *backup.Manifest) { m.Files[1].Path = "files/../../x" })
		}, []string{"manifest_hostile"}},
		{"renamed", func(t *testing.T, dir string) {
			rewrite(t, dir, func(m *backup.Manifest) { m.Stamp = "20260409T120001Z" })
		}, []string{"stamp_mismatch"}},

		{"database missing", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, backup.DatabaseName)) }, []string{"file_missing"}},
		{"original missing", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, original)) }, []string{"file_missing"}},
		{"all originals missing", func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "files")); err != nil {
				t.Fatal(err)
			}
		}, []string{"file_missing"}},
		{"original shorter", func(t *testing.T, dir string) { truncate(t, filepath.Join(dir, original), 3) }, []string{"file_size"}},
		{"original another", func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, original), "original l\n") }, []string{"file_hash"}},
		{"original a link to the right thing", func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, original))
			if err := os.Symlink(filepath.Join(whole.Path, original), filepath.Join(dir, original)); err != nil {
				t.Fatal(err)
			}
		}, []string{"file_type"}},
		{"files a link to the right thing", func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "files")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(whole.Path, "files"), filepath.Join(dir, "files")); err != nil {
				t.Fatal(err)
			}
		}, []string{"file_extra", "file_hash"}}, // it leads out, and is not followed
		{"database a directory", func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, backup.DatabaseName))
			writeFile(t, filepath.Join(dir, backup.DatabaseName, "x"), "x")
		}, []string{"file_type"}},
		{"a file too many", func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "files", sum[:2], "x"), "x") }, []string{"file_extra"}},
		{"a directory too many", func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "more", "x"), "x") }, []string{"file_extra"}},
		{"a log beside the database", func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "atocore.db-wal"), "x") }, []string{"file_extra"}},
		{"database flipped", func(t *testing.T, dir string) {
			overwrite(t, filepath.Join(dir, backup.DatabaseName), 92, []byte{0xff}) // a version that nothing depends on
		}, []string{"file_hash"}},

		{"no database", func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, backup.DatabaseName), strings.Repeat("no database ", 1000))
			rewrite(t, dir, nil)
		}, []string{"integrity_check"}},
		{"another program's", func(t *testing.T, dir string) {
			overwrite(t, filepath.Join(dir, backup.DatabaseName), 68, []byte("else"))
			rewrite(t, dir, nil)
		}, []string{"foreign_database"}},
		{"of a newer version", deep(``, nil), nil},
		{"a record's table is missing", deep(`DROP TABLE tombstones`, nil), []string{"table_missing"}},
		{"a derived table is missing", deep(`DROP TABLE vectorless`, nil), []string{"table_missing"}},
		{"a table is missing and the manifest forgets it", deep(`DROP TABLE probes`, func(m *backup.Manifest) { delete(m.Counts, "probes") }), []string{"table_missing"}},
		{"a table too many", deep(`CREATE TABLE more (x)`, nil), []string{"table_extra"}},
		{"a table that the manifest forgets", deep(``, func(m *backup.Manifest) { delete(m.Counts, "meta") }), []string{"table_extra"}},
		{"a row deleted", deep(`DELETE FROM probes`, nil), []string{"row_count"}},
		{"a record deleted, and counted so", deep(`DELETE FROM unit_terms WHERE unit = 5; DELETE FROM vectors WHERE unit = 5;
			DELETE FROM memories WHERE id = (SELECT id FROM units WHERE unit = 5); DELETE FROM units WHERE unit = 5`, func(m *backup.Manifest) {
			for _, table := range []string{"unit_terms", "vectors", "memories", "units"} {
				m.Counts[table]--
			}
		}), []string{"digest"}},
		{"a record altered", deep(`UPDATE memories SET content = 'another' WHERE id = 'm00003'`, nil), []string{"digest"}},
		{"the manifest has another digest", deep(``, func(m *backup.Manifest) { m.Digest = sumOf(nil) }), []string{"digest"}},
		{"the manifest has another schema", deep(``, func(m *backup.Manifest) { m.Schema = 1 }), []string{"schema_mismatch"}},
		{"full text that cannot be read", deep(`UPDATE unit_terms SET terms = x'ff' WHERE unit = 7`, nil), []string{"fts_integrity", "index_parity"}},
		{"full text missing", deep(`DELETE FROM unit_terms WHERE unit = 7`, recount("unit_terms", -1)), []string{"index_parity"}},
		{"vectors missing", deep(`DELETE FROM vectors WHERE unit = 9`, recount("vectors", -1)), []string{"index_parity"}},
		{"a vector of nothing", deep(`INSERT INTO vectors (space, unit, vector) VALUES (1, 999, x'00')`, recount("vectors", 1)), []string{"index_parity"}},
		{"an index of something else", swap("activeknowledgem00050", "activeknowledgem00O50"), []string{"integrity_check"}},
		{"a reference to nothing", swap("harbour[]the quay", "harbouR[]the quay"), []string{"digest", "foreign_key_check"}},
		{"another space", deep(`UPDATE spaces SET name = 'another'`, nil), []string{"embedding_space"}},
		{"no space", deep(``, func(m *backup.Manifest) { m.Space = nil }), []string{"embedding_space"}},
		{"an original that is not listed", func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "files", sum[:2])); err != nil {
				t.Fatal(err)
			}
			b, _, err := without(t, dir, original).Encode()
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, backup.ManifestName), string(b))
		}, []string{"original_missing"}},
		{"an original by another's name", func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, original), "something else")
			rewrite(t, dir, nil)
		}, []string{"original_missing"}},
		{"a hash that leads elsewhere", deep(`UPDATE documents SET sha256 = '../../../etc/passwd' WHERE id = (SELECT min(id) FROM documents)`, nil), []string{"integrity_check"}},
		{"it says that the store was damaged", func(t *testing.T, dir string) {
			rewrite(t, dir, func(m *backup.Manifest) {
				m.Damaged = []backup.Finding{{Code: "digest", Path: "atocore.db", Expected: "a", Found: "b", Hint: "c"}}
			})
		}, []string{"source_damaged"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name == "of a newer version" {
				test.damage = func(t *testing.T, dir string) {
					overwrite(t, filepath.Join(dir, backup.DatabaseName), 60, []byte{0, 0, 0, 99})
					rewrite(t, dir, func(m *backup.Manifest) { m.Schema = 99 })
				}
				test.want = []string{"schema_newer"}
			}
			c, dir := clone(t, c, whole)
			test.damage(t, dir)
			before := tree(t, dir)
			r := validate(t, c, whole.Stamp, backup.ValidateOptions{Vectors: true})
			wantCodes(t, r, test.want...)
			if d := cmp.Diff(before, tree(t, dir)); d != "" {
				t.Errorf("it was changed:\n%s", d)
			}
			got, err := backup.Find(t.Context(), c, whole.Stamp)
			if err != nil {
				t.Fatal(err)
			}
			if got.Sound() != r.OK && test.name != "of a newer version" {
				t.Errorf("sound is %v, ok is %v: %+v", got.Sound(), r.OK, got.Check)
			}
			// Once more: neither record nor trust makes up for a fault.
			wantCodes(t, validate(t, c, whole.Stamp, backup.ValidateOptions{Vectors: true, Trust: true}), test.want...)
		})
	}
}

// without gives the manifest in dir without a file.
func without(t *testing.T, dir, path string) *backup.Manifest {
	t.Helper()
	m, _, f := backup.ParseManifest(readFile(t, filepath.Join(dir, backup.ManifestName)))
	if f != nil {
		t.Fatal(f)
	}
	m.Files = slices.DeleteFunc(m.Files, func(f backup.File) bool { return f.Path == path })
	return &m
}

// A log beside the copy, with commits that make the copy look whole, is not read.
func TestValidateReadsNoLogBesideTheCopy(t *testing.T) {
	c, db := newStore(t, 30)
	whole := create(t, c, backup.CreateOptions{})
	c, dir := clone(t, c, whole)

	// The log has the page that the file lacks: SQLite, opening it as usual, would
	// find nothing wrong.
	b := readFile(t, db.Path())
	log := readFile(t, db.Path()+"-wal")
	if sumOf(b) == whole.Manifest.Files[0].SHA256 {
		t.Fatal("nothing is in the log alone: the test shows nothing")
	}
	writeFile(t, filepath.Join(dir, backup.DatabaseName), string(b))
	writeFile(t, filepath.Join(dir, "atocore.db-wal"), string(log))
	rewrite(t, dir, nil) // the hashes agree: only reading the database shows it
	before := tree(t, dir)
	r := validate(t, c, whole.Stamp, backup.ValidateOptions{})
	for _, want := range []string{"file_extra", "table_missing"} {
		if !slices.Contains(codes(r.Findings), want) {
			t.Errorf("%s is not among %+v", want, r.Findings)
		}
	}
	if d := cmp.Diff(before, tree(t, dir)); d != "" {
		t.Errorf("it was changed:\n%s", d)
	}
}

// Whatever byte is flipped, wherever it is cut off, whichever file is missing: it is
// found.
func TestValidateFindsEveryFlippedByte(t *testing.T) {
	c, _ := newStore(t, 20)
	whole := create(t, c, backup.CreateOptions{})
	c, dir := clone(t, c, whole)
	check := func(what string) {
		t.Helper()
		r := validate(t, c, whole.Stamp, backup.ValidateOptions{})
		if r.OK || r.Intact {
			t.Fatalf("%s: not found", what)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	flips := 0
	for _, f := range append([]backup.File{{Path: backup.ManifestName}}, whole.Manifest.Files...) {
		name := filepath.Join(dir, filepath.FromSlash(f.Path))
		good := readFile(t, name)
		var at []int
		switch f.Path {
		case backup.ManifestName: // every byte
			for i := range good {
				at = append(at, i)
			}
		case backup.DatabaseName: // the header, and some
			for range 25 {
				at = append(at, random.IntN(100))
			}
			for range 50 {
				at = append(at, random.IntN(len(good)))
			}
		default:
			at = []int{0, len(good) - 1}
		}
		for _, i := range at {
			bad := slices.Clone(good)
			bad[i] ^= 1 << random.IntN(8)
			overwrite(t, name, int64(i), bad[i:i+1])
			check(fmt.Sprintf("%s with byte %d flipped", f.Path, i))
			overwrite(t, name, int64(i), good[i:i+1])
			flips++
		}
		for size := 0; size < len(good); size += 4096 {
			truncate(t, name, int64(size))
			check(fmt.Sprintf("%s cut off at %d", f.Path, size))
			writeFile(t, name, string(good))
		}
		writeFile(t, name, string(good)+"\x00")
		check(f.Path + " with a byte more")
		remove(t, name)
		check(f.Path + " missing")
		writeFile(t, name, string(good))
	}
	wantCodes(t, validate(t, c, whole.Stamp, backup.ValidateOptions{}))
	t.Logf("%d bytes flipped", flips)
}

// A check record saves the deep check, for the very bytes that passed it and no
// others.
func TestCheckRecords(t *testing.T) {
	c, _ := newStore(t, 20)
	s := create(t, c, backup.CreateOptions{NoCheck: true})
	if s.Check != nil {
		t.Errorf("got %+v", s.Check)
	}
	trust := backup.ValidateOptions{Trust: true}
	if r := validate(t, c, s.Stamp, trust); !r.Deep || !r.OK {
		t.Errorf("without a record: %+v", r)
	}
	if r := validate(t, c, s.Stamp, trust); r.Deep || !r.OK {
		t.Errorf("with one: %+v", r)
	}
	if r := validate(t, c, s.Stamp, backup.ValidateOptions{}); !r.Deep || !r.OK {
		t.Errorf("not asked for: %+v", r)
	}
	// The record is of another manifest.
	other := create(t, c, backup.CreateOptions{})
	edit(t, other.Path, `UPDATE memories SET content = 'another' WHERE id = 'm00003'`)
	rewrite(t, other.Path, nil)
	wantCodes(t, validate(t, c, other.Stamp, trust), "digest")
	if err := os.RemoveAll(other.Path); err != nil {
		t.Fatal(err)
	}
	// The record is of other bytes.
	edit(t, s.Path, `UPDATE memories SET content = 'another' WHERE id = 'm00003'`)
	wantCodes(t, validate(t, c, s.Stamp, trust), "file_hash")
	rewrite(t, s.Path, nil)
	if got := list(t, c); got[0].Check != nil || !got[0].Sound() {
		t.Errorf("the record is of another manifest: %+v", got[0].Check)
	}
	wantCodes(t, validate(t, c, s.Stamp, trust), "digest")
	if got := list(t, c); got[0].Check == nil || got[0].Sound() {
		t.Errorf("got %+v", got[0].Check)
	}
	// One that cannot be read is none.
	record := filepath.Join(c.Snapshots, ".checks", s.Stamp+".json")
	for _, bad := range []string{"", "{", "[]", `{"ok":true}`} {
		writeFile(t, record, bad)
		if r := validate(t, c, s.Stamp, trust); !r.Deep || r.OK {
			t.Errorf("%q: got %+v", bad, r)
		}
	}
	// One of fewer checks does not vouch.
	good := strings.Replace(strings.Replace(string(readFile(t, record)), `"ok": false`, `"ok": true`, 1), `"checks": 1`, `"checks": 0`, 1)
	writeFile(t, record, good)
	if r := validate(t, c, s.Stamp, trust); !r.Deep {
		t.Errorf("got %+v", r)
	}
}

func TestCodesHaveHints(t *testing.T) {
	all := backup.Codes()
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) || len(all) < 27 {
		t.Errorf("got %q", all)
	}
}

// A snapshot of every version of the format is kept in testdata, for good. It has to
// be read, and validate, for ever; its digest is that which its version gave.
var kept = []struct{ dir, stamp, digest string }{
	{"format1", "20260409T131321Z", "5827c777b9676d9b847a872ae50acd7cca2cf84484f0b1603e108b561c00825b"},
}

func TestSnapshotsOfEveryFormat(t *testing.T) {
	if len(kept) != backup.FormatVersion {
		t.Errorf("%d snapshots are kept of %d versions", len(kept), backup.FormatVersion)
	}
	for _, k := range kept {
		c := config(t.TempDir())
		if err := os.CopyFS(c.Snapshots, os.DirFS(filepath.Join("testdata", k.dir))); err != nil {
			t.Fatal(err)
		}
		r := validate(t, c, k.stamp, backup.ValidateOptions{Vectors: true})
		wantCodes(t, r)
		s, err := backup.Find(t.Context(), c, backup.Latest)
		if err != nil {
			t.Fatal(err)
		}
		if s.Stamp != k.stamp || s.Manifest == nil || s.Manifest.Digest != k.digest || !s.Sound() || !r.Deep {
			t.Errorf("got %+v", s)
		}
	}
}
