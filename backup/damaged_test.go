package backup_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/atocore/atocore/backup"
)

// closedStore makes a store that nobody has open, all of it in one file.
func closedStore(t *testing.T, memories int) backup.Config {
	t.Helper()
	c, db := newStore(t, memories)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return c
}

// A store that is damaged is saved, and labelled.
func TestCreateOfADamagedStore(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, c backup.Config)
		kind   backup.Kind
		want   []string // codes of what the manifest says was damaged
		deep   []string // codes that only the check finds
	}{
		{"an original is missing", func(t *testing.T, c backup.Config) {
			remove(t, originalPath(c.Data, sumOf([]byte("original 1\n"))))
		}, backup.KindStore, []string{"original_missing"}, nil},
		{"an original is another", func(t *testing.T, c backup.Config) {
			writeFile(t, originalPath(c.Data, sumOf([]byte("original 1\n"))), "original l\n")
		}, backup.KindStore, []string{"source_damaged"}, nil},
		{"a page of a table is overwritten", func(t *testing.T, c backup.Config) {
			patch(t, c, "m00100 the quay", func(page []byte) { clear(page) })
		}, backup.KindStore, []string{"digest"}, []string{"integrity_check"}},
		{"a page of an index is overwritten", func(t *testing.T, c backup.Config) {
			patch(t, c, "activeknowledgem00050", func(page []byte) { copy(page[len(page)/2:], bytes.Repeat([]byte{0xaa}, 64)) })
		}, backup.KindStore, nil, []string{"integrity_check"}},
		{"the header is overwritten", func(t *testing.T, c backup.Config) {
			overwrite(t, filepath.Join(c.Data, backup.DatabaseName), 0, bytes.Repeat([]byte("x"), 100))
		}, backup.KindRaw, []string{"source_damaged"}, nil},
		{"the schema is overwritten", func(t *testing.T, c backup.Config) {
			overwrite(t, filepath.Join(c.Data, backup.DatabaseName), 100, bytes.Repeat([]byte("x"), 3000))
		}, backup.KindRaw, []string{"source_damaged"}, nil},
		{"it is empty", func(t *testing.T, c backup.Config) {
			truncate(t, filepath.Join(c.Data, backup.DatabaseName), 0)
		}, backup.KindRaw, []string{"source_damaged"}, nil},
		{"it is another program's", func(t *testing.T, c backup.Config) {
			overwrite(t, filepath.Join(c.Data, backup.DatabaseName), 68, []byte("else"))
		}, backup.KindRaw, []string{"foreign_database"}, nil},
		{"half of it is gone", func(t *testing.T, c backup.Config) {
			name := filepath.Join(c.Data, backup.DatabaseName)
			truncate(t, name, int64(len(readFile(t, name)))/2)
		}, backup.KindRaw, []string{"source_damaged"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := closedStore(t, 300)
			good := create(t, c, backup.CreateOptions{})
			test.damage(t, c)
			before := tree(t, filepath.Join(c.Data, "files"))

			s := create(t, c, backup.CreateOptions{})
			if s.Manifest.Kind != test.kind || s.Sound() {
				t.Errorf("got a %s, sound is %v", s.Manifest.Kind, s.Sound())
			}
			for _, want := range test.want {
				if !slices.Contains(codes(s.Manifest.Damaged), want) {
					t.Errorf("%s is not among %+v", want, s.Manifest.Damaged)
				}
			}
			if len(test.want) == 0 && s.Manifest.Damaged != nil {
				t.Errorf("got %+v", s.Manifest.Damaged)
			}
			r := validate(t, c, s.Stamp, backup.ValidateOptions{})
			if r.OK || !r.Intact {
				t.Errorf("ok is %v, intact is %v: %+v", r.OK, r.Intact, r.Findings)
			}
			want := slices.Clone(test.deep)
			if test.kind == backup.KindRaw {
				want = append(want, "raw_snapshot")
			}
			if len(test.want) > 0 {
				want = append(want, "source_damaged")
			}
			for _, code := range want {
				if !slices.Contains(codes(r.Findings), code) {
					t.Errorf("%s is not among %+v", code, r.Findings)
				}
			}
			if d := tree(t, filepath.Join(c.Data, "files")); len(d) != len(before) {
				t.Error("the store was changed")
			}
			if test.kind == backup.KindRaw {
				if got, want := readFile(t, filepath.Join(s.Path, backup.DatabaseName)), readFile(t, filepath.Join(c.Data, backup.DatabaseName)); !bytes.Equal(got, want) {
					t.Error("the file is not as it was")
				}
			}
			// Nothing of this touches the good one.
			wantCodes(t, validate(t, c, good.Stamp, backup.ValidateOptions{}))
			report := prune(t, c, backup.Policy{KeepLast: 1}, backup.PruneOptions{})
			if len(report.Removed) != 0 || len(list(t, c)) != 2 {
				t.Errorf("a bad one pushed out a good one: %+v", report)
			}
		})
	}
}

// Leaving vectors out means to change the copy; where that cannot be done they are
// in it.
func TestCreateWithoutVectorsOfADamagedStore(t *testing.T) {
	for name, damage := range map[string]func(c backup.Config){
		"seen only when the copy is changed": func(c backup.Config) {
			patch(t, c, "activeknowledgem00050", func(page []byte) { copy(page[len(page)/2:], bytes.Repeat([]byte{0xaa}, 64)) })
		},
		"seen when it is read": func(c backup.Config) { patch(t, c, "m00100 the quay", func(page []byte) { clear(page) }) },
	} {
		c := closedStore(t, 300)
		damage(c)
		s := create(t, c, backup.CreateOptions{NoVectors: true})
		if !s.Manifest.Vectors || s.Manifest.Counts["vectors"] != 303 || len(s.Manifest.Damaged) != 1 || s.Manifest.Kind != backup.KindStore {
			t.Errorf("%s: got %+v", name, s.Manifest)
		}
		if r := validate(t, c, s.Stamp, backup.ValidateOptions{Vectors: true}); !r.Intact {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

// A store that cannot be read is saved with all that lies beside the database,
// under whatever names.
func TestRawTakesEveryFile(t *testing.T) {
	c := closedStore(t, 5)
	for name, text := range map[string]string{
		"atocore.db": "no database", "atocore.db-wal": "wal", "atocore.db-shm": "shm", "atocore.db-journal": "journal",
		"files/notes.txt": "mine", "files/aa/.new-1": "unfinished", "files/ü/b c": "x", "notes.txt": "not of the store",
	} {
		writeFile(t, filepath.Join(c.Data, filepath.FromSlash(name)), text)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(c.Data, "files", "link")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(c.Data, "files", "new\nline"), "x")
	s := create(t, c, backup.CreateOptions{})
	got := tree(t, s.Path)
	for name, text := range tree(t, c.Data) {
		switch {
		case name == "files/link" || name == "files/new\nline" || name == "notes.txt" || name == "atocore.lock":
			if _, ok := got[name]; ok {
				t.Errorf("%q is in the snapshot", name)
			}
		case got[name] != text:
			t.Errorf("%q: got %.20q, want %.20q", name, got[name], text)
		}
	}
	if got, want := codes(s.Manifest.Damaged), []string{"file_extra", "file_type", "source_damaged"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	wantCodes(t, validate(t, c, s.Stamp, backup.ValidateOptions{}), "raw_snapshot", "source_damaged")
}

// What is left of a store that has lost its database is saved before a restore, and
// only then.
func TestCreateWithoutADatabase(t *testing.T) {
	c := closedStore(t, 5)
	remove(t, filepath.Join(c.Data, backup.DatabaseName))
	if _, err := backup.Create(t.Context(), c, backup.CreateOptions{}); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	s := create(t, c, backup.CreateOptions{Origin: backup.OriginPreRestore})
	if s.Manifest.Kind != backup.KindRaw || len(s.Manifest.Files) < 3 {
		t.Errorf("got %+v", s.Manifest)
	}
	if r := validate(t, c, s.Stamp, backup.ValidateOptions{}); !r.Intact {
		t.Errorf("got %+v", r)
	}
	if err := os.RemoveAll(c.Data); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Create(t.Context(), c, backup.CreateOptions{Origin: backup.OriginPreRestore}); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// A store of a newer version is saved, though nobody here can say what is in it.
func TestCreateOfANewerStore(t *testing.T) {
	c := closedStore(t, 5)
	overwrite(t, filepath.Join(c.Data, backup.DatabaseName), 60, []byte{0, 0, 0, 99})
	s := create(t, c, backup.CreateOptions{})
	if s.Manifest.Kind != backup.KindStore || s.Manifest.Schema != 99 || s.Manifest.Digest != "" || len(s.Manifest.Files) != 4 || s.Sound() {
		t.Errorf("got %+v", s.Manifest)
	}
	for _, trust := range []bool{false, true} {
		r := validate(t, c, s.Stamp, backup.ValidateOptions{Trust: trust})
		wantCodes(t, r, "schema_newer", "source_damaged")
	}
}

func remove(t testing.TB, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func truncate(t testing.TB, name string, size int64) {
	t.Helper()
	if err := os.Truncate(name, size); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t testing.TB, name string, at int64, with []byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(with, at)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// patch changes the page of the database in which the text stands first.
func patch(t testing.TB, c backup.Config, text string, change func(page []byte)) {
	t.Helper()
	name := filepath.Join(c.Data, backup.DatabaseName)
	b := readFile(t, name)
	at := strings.Index(string(b), text)
	if at < 0 {
		t.Fatalf("%q is not in the database", text)
	}
	at -= at % 4096
	change(b[at : at+4096])
	overwrite(t, name, int64(at), b[at:at+4096])
}
