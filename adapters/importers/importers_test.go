package importers_test

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/importers"
	"github.com/atocore/atocore/internal/sqlite"
)

var cacheDir = filepath.Join(os.TempDir(), "atocore-test-wasm")

// fixture unpacks testdata/NAME.zip and returns the directory.
func fixture(t testing.TB, name string) string {
	t.Helper()
	z, err := zip.OpenReader(filepath.Join("testdata", name+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	dir := t.TempDir()
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := errors.Join(in.Close(), os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, content, 0o644), os.Chtimes(to, time.Time{}, f.Modified)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// expected reads a JSON file of a fixture.
func expected[T any](t testing.TB, dir, name string) (v T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// tree describes everything below a directory: names, kinds, permissions, sizes,
// times of change and bytes.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var sum [sha256.Size]byte
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			sum = sha256.Sum256(content)
		}
		fmt.Fprintf(&b, "%s %v %d %d %x\n", name, info.Mode(), info.Size(), info.ModTime().UnixNano(), sum)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// open opens a source, and sees to it that neither the directory it is in nor the
// one for temporary files is changed in the end.
func open(t testing.TB, from, dir, path string) *importers.Source {
	t.Helper()
	before := tree(t, dir)
	temp := t.TempDir()
	s, err := importers.Open(t.Context(), from, path, &importers.Options{TempDir: temp, CompileCache: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Errorf("the source has changed:\n%s", diff)
		}
		if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
			t.Errorf("left of the copy: %v, %v", left, err)
		}
	})
	return s
}

// records reads a source to its end, twice, and wants the same both times.
func records(t testing.TB, s *importers.Source) (out []atocore.Record, skipped []atocore.SkippedRecord) {
	t.Helper()
	out, skipped = readAll(t, s)
	again, skippedAgain := readAll(t, s)
	if diff := cmp.Diff(out, again) + cmp.Diff(skipped, skippedAgain); diff != "" {
		t.Errorf("read again it is something else:\n%s", diff)
	}
	keys := map[string]bool{}
	for _, r := range out {
		if r.Key == "" || keys[r.Key] {
			t.Errorf("key %q is empty or there twice", r.Key)
		}
		keys[r.Key] = true
		switch {
		case r.Memory != nil:
			if p := r.Memory.Provenance; p.Client != s.From || !strings.HasPrefix(p.Source, s.From+":") {
				t.Errorf("%s: provenance %+v", r.Key, p)
			}
		case r.Interaction != nil:
			if r.Interaction.Client != s.From || r.Interaction.Turn == "" {
				t.Errorf("%s: interaction %+v", r.Key, r.Interaction)
			}
		case r.Document != nil:
			if r.Document.Origin == "" || !fs.ValidPath(r.Document.Path) {
				t.Errorf("%s: document %+v", r.Key, r.Document)
			}
		}
	}
	return out, skipped
}

func readAll(t testing.TB, s *importers.Source) (out []atocore.Record, skipped []atocore.SkippedRecord) {
	t.Helper()
	for r, err := range s.Records() {
		if left, ok := errors.AsType[*atocore.RecordError](err); ok {
			skipped = append(skipped, atocore.SkippedRecord{Key: left.Key, Reason: left.Err.Error()})
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out, skipped
}

func projectsOf(all []atocore.Record) (names []string) {
	for _, r := range all {
		if r.Project != nil {
			names = append(names, r.Project.Name)
		}
	}
	slices.Sort(names)
	return names
}

// edit changes a database of a fixture.
func edit(t testing.TB, path string, statements ...string) {
	t.Helper()
	err := sqlite.Edit(t.Context(), sqlite.Config{Path: path, CacheDir: cacheDir}, false, func(tx *sqlite.Tx) error {
		return tx.ExecScript(strings.Join(statements, ";\n"))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOpen wants each wrong path told apart, with what to do.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("neither JSON nor a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	engram := filepath.Join(fixture(t, "engram"), "clean", "engram.db")
	for _, test := range []struct {
		from, path string
		is         error
		says       string
	}{
		{"pinecone", dir, atocore.ErrInvalid, "use one of jsonl, chroma, mcp-memory, engram, claude-mem, markdown"},
		{"chroma", "", atocore.ErrInvalid, "is empty"},
		{"chroma", "-", atocore.ErrNotFound, "chroma.sqlite3"},
		{"chroma", filepath.Join(dir, "none"), atocore.ErrNotFound, "chroma.sqlite3"},
		{"chroma", dir, atocore.ErrInvalid, "has no chroma.sqlite3"},
		{"mcp-memory", dir, atocore.ErrInvalid, "has no memory.jsonl and no memory.json"},
		{"engram", text, atocore.ErrInvalid, "is not an SQLite database"},
		{"mcp-memory", text, atocore.ErrInvalid, "is an entity or a relation"},
		{"markdown", text, atocore.ErrInvalid, "is no Markdown by its name"},
		{"claude-mem", engram, atocore.ErrInvalid, "is not a database of claude-mem: table sdk_sessions is missing, found observations"},
		{"chroma", engram, atocore.ErrInvalid, "table collections is missing"},
	} {
		temp := t.TempDir()
		s, err := importers.Open(t.Context(), test.from, test.path, &importers.Options{TempDir: temp, CompileCache: cacheDir})
		if s != nil || !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s %s: %v, want %v that says %q", test.from, test.path, err, test.is, test.says)
		}
		if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
			t.Errorf("%s %s: left of the copy: %v, %v", test.from, test.path, left, err)
		}
	}
}

// TestEnough ends the reading early, which must not be an error.
func TestEnough(t *testing.T) {
	for from, path := range map[string]string{"chroma": "clean", "engram": "clean", "claude-mem": "clean", "mcp-memory": "", "markdown": ""} {
		name := from
		if from == "markdown" {
			name = "markdown-vault"
		}
		dir := fixture(t, name)
		s := open(t, from, dir, filepath.Join(dir, path))
		for _, err := range s.Records() {
			if err != nil {
				t.Errorf("%s: %v", from, err)
			}
			break
		}
	}
}
