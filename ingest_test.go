package atocore_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

var ingestTree = flag.String("ingest.tree", "", "folder of real documents for TestIngestTree; empty skips it")

// files makes a file system of texts.
func files(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

func ingest(t testing.TB, s *atocore.Store, fsys fs.FS, o *atocore.IngestOptions) atocore.IngestReport {
	t.Helper()
	report, err := s.Ingest(t.Context(), fsys, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// counts is a report without its list, for comparison.
func counts(r atocore.IngestReport) string {
	return fmt.Sprintf("added %d, updated %d, renamed %d, unchanged %d, removed %d, skipped %d", r.Added, r.Updated, r.Renamed, r.Unchanged, r.Removed, len(r.Skipped))
}

func wantCounts(t testing.TB, got atocore.IngestReport, want string) {
	t.Helper()
	if got := counts(got); got != want {
		t.Errorf("report:\n got %s\nwant %s", got, want)
	}
}

// documents are a store's documents by origin and path.
func documents(t testing.TB, s *atocore.Store) map[string]atocore.Document {
	t.Helper()
	out := map[string]atocore.Document{}
	for d, err := range s.Documents(t.Context(), atocore.DocumentFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		out[path.Join(d.Origin, d.Path)] = d
	}
	return out
}

// checkDocuments fails the test where the store has a fault, or a document's
// chunks are not what they say.
func checkDocuments(t testing.TB, s *atocore.Store) {
	t.Helper()
	checkStore(t, s)
	for name, d := range documents(t, s) {
		chunks, err := s.Chunks(t.Context(), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(chunks) != d.Chunks || len(chunks) == 0 {
			t.Errorf("%s has %d chunks, says %d", name, len(chunks), d.Chunks)
		}
		for i, c := range chunks {
			if c.Ordinal != i || c.Document != d.ID || c.End-c.Start != len(c.Text) {
				t.Errorf("%s: chunk %d is %+v", name, i, c)
			}
		}
	}
}

// storeBytes is a hash over everything in a data directory but its lock.
func storeBytes(t testing.TB, s *atocore.Store) string {
	t.Helper()
	h := sha256.New()
	err := fs.WalkDir(os.DirFS(s.Dir()), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "-shm") || strings.HasSuffix(name, ".lock") {
			return err
		}
		data, err := os.ReadFile(filepath.Join(s.Dir(), name))
		fmt.Fprintf(h, "%s %d %x\n", name, len(data), sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestIngestReadsDocuments(t *testing.T) {
	s := openStore(t, nil)
	fsys := files(
		"guide.md", "---\ntitle: The Guide\ntags: [boats, Islands]\ndate: 2024-05-17\nsummary: How to get there.\n---\n# Ferry\n\nIt leaves from pier four.\n\n## Winter\n\nOnce a day.\n",
		"sub/plain.txt", "Harbour notes\n\nThe crane is out of order.\n",
		"toml.markdown", "+++\ntitle = \"Crane\"\ndate = 2023-01-02T10:00:00Z\n+++\n\nIt lifts.\n",
		"README", "Read this first.\n",
	)
	report := ingest(t, s, fsys, &atocore.IngestOptions{Origin: "notes"})
	wantCounts(t, report, "added 4, updated 0, renamed 0, unchanged 0, removed 0, skipped 0")
	docs := documents(t, s)
	guide := docs["notes/guide.md"]
	if guide.Title != "The Guide" || guide.Summary != "How to get there." || !slices.Equal(guide.Tags, []string{"Islands", "boats"}) ||
		!guide.Time.Equal(time.Date(2024, 5, 17, 0, 0, 0, 0, time.UTC)) || guide.MediaType != atocore.MediaMarkdown {
		t.Errorf("guide.md is %+v", guide)
	}
	if d := docs["notes/sub/plain.txt"]; d.MediaType != atocore.MediaText || d.Title == "" {
		t.Errorf("plain.txt is %+v", d)
	}
	if d := docs["notes/toml.markdown"]; d.Title != "Crane" || d.Time.Year() != 2023 {
		t.Errorf("toml.markdown is %+v", d)
	}
	if d := docs["notes/README"]; d.MediaType != atocore.MediaText || d.Title != "README" {
		t.Errorf("README is %+v", d)
	}
	for name, f := range fsys {
		chunks, err := s.Chunks(t.Context(), docs["notes/"+name].ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunks {
			if got := string(f.Data[c.Start:c.End]); got != c.Text {
				t.Errorf("%s: bytes %d to %d are %q, the chunk is %q", name, c.Start, c.End, got, c.Text)
			}
		}
	}
	checkDocuments(t, s)
}

func TestIngestAgainWritesNothing(t *testing.T) {
	s := openStore(t, nil)
	if _, err := s.AddProject(t.Context(), atocore.Project{Name: "atlas"}); err != nil {
		t.Fatal(err)
	}
	fsys := files("a.md", "---\ntags: [x, y]\ndate: 2024-01-01T10:00:00.123456789+02:00\nowner: Ingrid\n---\n# A\n\none", "b/c.txt", "two", "d.md", "\ufeff# BOM\r\n\r\nthree\r\n", "e.md", "---\ntitle: alone\n---\n")
	for _, o := range []*atocore.IngestOptions{nil, {Origin: "o", Project: "atlas", KeepOriginals: true, Prune: true}} {
		ingest(t, s, fsys, o)
		digest, err := s.Digest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		before := storeBytes(t, s)
		report := ingest(t, s, fsys, o)
		wantCounts(t, report, "added 0, updated 0, renamed 0, unchanged 4, removed 0, skipped 0")
		if again, err := s.Digest(t.Context()); err != nil || again != digest {
			t.Errorf("digest is %s, was %s (%v)", again, digest, err)
		}
		if after := storeBytes(t, s); after != before {
			t.Error("a second run over an unchanged folder wrote to the data directory")
		}
	}
	checkDocuments(t, s)
}

func TestIngestFollowsChanges(t *testing.T) {
	const one, two, three = "# One\n\nfirst text", "# Two\n\nsecond text", "# Three\n\nthird text"
	tests := []struct {
		name          string
		before, after fstest.MapFS
		prune         bool
		want          string
		moved         map[string]string // path after to path before: keeps the ID
		paths         []string          // that there are afterwards
	}{
		{"changed", files("a.md", one), files("a.md", two), false,
			"added 0, updated 1, renamed 0, unchanged 0, removed 0, skipped 0", map[string]string{"a.md": "a.md"}, []string{"a.md"}},
		{"renamed", files("a.md", one), files("sub/b.md", one), false,
			"added 0, updated 0, renamed 1, unchanged 0, removed 0, skipped 0", map[string]string{"sub/b.md": "a.md"}, []string{"sub/b.md"}},
		{"renamed, another takes its place", files("a.md", one), files("a.md", two, "b.md", one), false,
			"added 1, updated 0, renamed 1, unchanged 0, removed 0, skipped 0", map[string]string{"b.md": "a.md"}, []string{"a.md", "b.md"}},
		{"each moves up by one", files("1.md", one, "2.md", two), files("1.md", three, "2.md", one, "3.md", two), true,
			"added 1, updated 0, renamed 2, unchanged 0, removed 0, skipped 0", map[string]string{"2.md": "1.md", "3.md": "2.md"}, []string{"1.md", "2.md", "3.md"}},
		{"two change places", files("a.md", one, "b.md", two), files("a.md", two, "b.md", one), true,
			"added 0, updated 2, renamed 0, unchanged 0, removed 0, skipped 0", map[string]string{"a.md": "a.md", "b.md": "b.md"}, []string{"a.md", "b.md"}},
		{"moved over another", files("a.md", one, "b.md", two), files("a.md", two), true,
			"added 0, updated 1, renamed 0, unchanged 0, removed 1, skipped 0", map[string]string{"a.md": "a.md"}, []string{"a.md"}},
		{"copied", files("a.md", one), files("a.md", one, "b.md", one), true,
			"added 1, updated 0, renamed 0, unchanged 1, removed 0, skipped 0", map[string]string{"a.md": "a.md"}, []string{"a.md", "b.md"}},
		{"another ending", files("a.md", one), files("a.txt", one), false,
			"added 0, updated 0, renamed 1, unchanged 0, removed 0, skipped 0", map[string]string{"a.txt": "a.md"}, []string{"a.txt"}},
		{"deleted", files("a.md", one, "b.md", two), files("a.md", one), false,
			"added 0, updated 0, renamed 0, unchanged 1, removed 0, skipped 0", map[string]string{"a.md": "a.md"}, []string{"a.md", "b.md"}},
		{"deleted and pruned", files("a.md", one, "b.md", two), files("a.md", one), true,
			"added 0, updated 0, renamed 0, unchanged 1, removed 1, skipped 0", map[string]string{"a.md": "a.md"}, []string{"a.md"}},
		{"twins, one renamed", files("a.md", one, "b.md", one), files("b.md", one, "c.md", one), true,
			"added 0, updated 0, renamed 1, unchanged 1, removed 0, skipped 0", map[string]string{"b.md": "b.md", "c.md": "a.md"}, []string{"b.md", "c.md"}},
		{"twins, one gone and one changed", files("a.md", one, "z.md", one), files("a.md", two, "c.md", one), true,
			"added 0, updated 1, renamed 1, unchanged 0, removed 0, skipped 0", map[string]string{"a.md": "a.md", "c.md": "z.md"}, []string{"a.md", "c.md"}},
		{"no longer text, pruned", files("a.md", one), files("a.md", "\x00"), true,
			"added 0, updated 0, renamed 0, unchanged 0, removed 0, skipped 1", map[string]string{"a.md": "a.md"}, []string{"a.md"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openStore(t, nil)
			ingest(t, s, tt.before, &atocore.IngestOptions{KeepOriginals: true})
			before := documents(t, s)
			wantCounts(t, ingest(t, s, tt.after, &atocore.IngestOptions{Prune: tt.prune}), tt.want)
			after := documents(t, s)
			if diff := cmp.Diff(tt.paths, slices.Sorted(maps.Keys(after))); diff != "" {
				t.Errorf("documents (-want +got):\n%s", diff)
			}
			for to, from := range tt.moved {
				if after[to].ID != before[from].ID {
					t.Errorf("%s is not the document that was %s", to, from)
				}
			}
			checkDocuments(t, s)
			unchanged := ingest(t, s, tt.after, &atocore.IngestOptions{Prune: tt.prune})
			if unchanged.Added+unchanged.Updated+unchanged.Renamed+unchanged.Removed != 0 {
				t.Errorf("a further run did something: %s", counts(unchanged))
			}
		})
	}
}

// A brokenFS fails on some of its files and folders.
type brokenFS struct {
	fstest.MapFS
	broken map[string]string // what fails: open, read or list
}

func (b brokenFS) Open(name string) (fs.File, error) {
	f, err := b.MapFS.Open(name)
	if err != nil {
		return nil, err
	}
	switch b.broken[name] {
	case "open":
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	case "read":
		return brokenFile{f}, nil
	}
	return f, nil
}

func (b brokenFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if b.broken[name] == "list" {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrPermission}
	}
	return b.MapFS.ReadDir(name)
}

type brokenFile struct{ fs.File }

func (brokenFile) Read([]byte) (int, error) { return 0, errors.New("input/output error") }

func TestIngestSkipsWhatItCannotRead(t *testing.T) {
	s := openStore(t, nil)
	good := "# Good\n\ntext"
	all := files("good.md", good, "a/closed.md", good+"1", "a/broken.md", good+"2", "locked/x.md", good+"3", "locked/deep/y.md", good+"4")
	ingest(t, s, all, nil)

	fsys := brokenFS{maps.Clone(all), map[string]string{"a/closed.md": "open", "a/broken.md": "read", "locked": "list"}}
	for name, text := range map[string]string{
		"nul.md": "a\x00b", "latin1.txt": "caf\xe9", "utf16.txt": "\xff\xfeh\x00i\x00", "empty.md": "", "blank.md": " \n\t\n",
		"large.md": strings.Repeat("x", 2000), "photo.jpg": "x", ".hidden.md": good, ".git/config.md": good, "sub/.also/x.md": good, "line\nbreak.md": good,
		strings.Repeat("long/", 250) + "name.md": good,
	} {
		fsys.MapFS[name] = &fstest.MapFile{Data: []byte(text)}
	}
	fsys.MapFS["link.md"] = &fstest.MapFile{Data: []byte("good.md"), Mode: fs.ModeSymlink}
	fsys.MapFS["pipe.md"] = &fstest.MapFile{Mode: fs.ModeNamedPipe}
	fsys.MapFS["last.md"] = &fstest.MapFile{Data: []byte("# Last\n\nstill goes in")}
	report := ingest(t, s, fsys, &atocore.IngestOptions{Prune: true, MaxBytes: 1000})
	got := map[string]string{}
	for _, f := range report.Skipped {
		got[f.Path] = f.Reason
	}
	want := map[string]string{
		"a/closed.md": "cannot be read: permission denied",
		"a/broken.md": "cannot be read: input/output error",
		"locked":      "cannot be read: permission denied",
		"nul.md":      "is not text: it has NUL bytes",
		"utf16.txt":   "is not text: it has NUL bytes",
		"latin1.txt":  "is not UTF-8",
		"empty.md":    "is empty",
		"blank.md":    "is empty",
		"large.md":    "is larger than 1000 bytes",
		"photo.jpg":   "is neither Markdown nor plain text by its name",
		"link.md":     "is a symbolic link",
		"pipe.md":     "is not a regular file",

		"line\nbreak.md":                         "has a name that is too long or not one line of text",
		strings.Repeat("long/", 250) + "name.md": "has a name that is too long or not one line of text",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
	if !slices.IsSortedFunc(report.Skipped, func(a, b atocore.SkippedFile) int { return strings.Compare(a.Path, b.Path) }) {
		t.Error("Skipped is not in order")
	}
	if report.Added != 1 || report.Unchanged != 1 || report.Removed != 0 {
		t.Errorf("report: %s", counts(report))
	}
	// What cannot be read is not gone.
	if got := len(documents(t, s)); got != 6 {
		t.Errorf("%d documents, want 6", got)
	}
	checkDocuments(t, s)
}

func TestIngestOnly(t *testing.T) {
	s := openStore(t, nil)
	all := files("a/1.md", "one", "a/2.md", "two", "b/3.md", "three", "c.go", "package c")
	ingest(t, s, all, &atocore.IngestOptions{Text: []string{".GO"}})
	// What is out of scope is neither looked at nor pruned.
	less := files("a/1.md", "one", "b/3.md", "changed")
	report := ingest(t, s, less, &atocore.IngestOptions{Only: []string{"a", "a/1.md"}, Prune: true})
	wantCounts(t, report, "added 0, updated 0, renamed 0, unchanged 1, removed 1, skipped 0")
	if got, want := slices.Sorted(maps.Keys(documents(t, s))), []string{"a/1.md", "b/3.md", "c.go"}; !slices.Equal(got, want) {
		t.Errorf("documents are %q, want %q", got, want)
	}
	for _, only := range []string{"../x", "/a", "a/", ""} {
		if _, err := s.Ingest(t.Context(), less, &atocore.IngestOptions{Only: []string{only}}); !isInvalid(err) {
			t.Errorf("Only %q: got error %v, want ErrInvalid", only, err)
		}
	}
	if _, err := s.Ingest(t.Context(), less, &atocore.IngestOptions{Only: []string{"missing.md"}}); !errors.Is(err, atocore.ErrNotFound) {
		t.Errorf("a file that is not there: got error %v, want ErrNotFound", err)
	}
	if _, err := s.Ingest(t.Context(), less, &atocore.IngestOptions{Project: "nobody"}); !errors.Is(err, atocore.ErrNotFound) {
		t.Errorf("a project that does not exist: got error %v, want ErrNotFound", err)
	}
	checkDocuments(t, s)
}

// Cancelled after any file, a run leaves whole documents, and the next run goes
// on from there.
func TestIngestCancelled(t *testing.T) {
	fsys := fstest.MapFS{}
	for i := range 100 {
		fsys[fmt.Sprintf("%03d.md", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "# Page %d\n\n%s\n\n## More\n\ntext %d", i, strings.Repeat("word ", i*5), i)}
	}
	s := openStore(t, nil)
	for _, after := range []int{0, 1, 31, 33, 64, 90, 99} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := s.Ingest(ctx, cancelFS{fsys, &after, cancel}, nil)
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("got error %v, want context.Canceled", err)
		}
		checkDocuments(t, s)
	}
	stored := len(documents(t, s))
	report := ingest(t, s, fsys, nil)
	if report.Added+report.Unchanged != 100 || report.Unchanged != stored {
		t.Errorf("with %d documents there: %s", stored, counts(report))
	}
	if stored == 0 || stored == 100 {
		t.Errorf("%d documents were there before the last run, want some", stored)
	}
	checkDocuments(t, s)
}

// A cancelFS cancels when it has opened a number of files.
type cancelFS struct {
	fstest.MapFS
	left   *int
	cancel func()
}

func (c cancelFS) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, ".md") {
		if *c.left == 0 {
			c.cancel()
		}
		*c.left--
	}
	return c.MapFS.Open(name)
}

func TestIngestKeepsOriginals(t *testing.T) {
	ctx := t.Context()
	s := openStore(t, nil)
	source := "\ufeff# One\r\n\r\ntext\r\n"
	keep := &atocore.IngestOptions{KeepOriginals: true, Prune: true}
	ingest(t, s, files("a.md", source, "b.md", source, "c.md", "other"), keep)
	read := func(name string) string {
		t.Helper()
		f, err := s.Original(ctx, documents(t, s)[name].ID)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		data, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	originals := func(want int) {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(s.Dir(), "files", "??", "*"))
		if err != nil || len(names) != want {
			t.Errorf("%d originals, want %d (%v): %q", len(names), want, err, names)
		}
	}
	if got := read("a.md"); got != source {
		t.Errorf("the original is %q, want %q", got, source)
	}
	originals(2)
	ingest(t, s, files("b.md", source, "c.md", "other"), keep) // b still needs it
	originals(2)
	checkDocuments(t, s)
	ingest(t, s, files("b.md", "changed", "c.md", "other"), &atocore.IngestOptions{}) // stays kept without the option
	if got := read("b.md"); got != "changed" {
		t.Errorf("the original is %q", got)
	}
	originals(2)
	checkDocuments(t, s)
	ingest(t, s, files("c.md", "other"), keep)
	originals(1)
	checkDocuments(t, s)
	// The same text from elsewhere leaves the original; another one has none.
	if d, err := s.AddDocument(ctx, atocore.Document{Path: "c.md", Title: "C"}, "other"); err != nil || !d.Kept {
		t.Errorf("kept: %t (%v)", d.Kept, err)
	}
	originals(1)
	if d, err := s.AddDocument(ctx, atocore.Document{Path: "c.md"}, "replaced"); err != nil || d.Kept {
		t.Errorf("kept: %t (%v)", d.Kept, err)
	}
	originals(0)
	checkDocuments(t, s)
	if _, err := s.Original(ctx, documents(t, s)["c.md"].ID); !errors.Is(err, atocore.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
}

// A crash between the writing of an original and its commit leaves a file that
// no document refers to.
func TestIngestCrashLeavesAnOriginal(t *testing.T) {
	ctx := t.Context()
	s := openStore(t, nil)
	ingest(t, s, files("a.md", "one"), &atocore.IngestOptions{KeepOriginals: true})
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("two")))
	orphan := filepath.Join(s.Dir(), "files", sum[:2], sum)
	if err := os.MkdirAll(filepath.Dir(orphan), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(orphan, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := s.Check(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Findings) != 1 || report.Findings[0].Code != "original_orphaned" || !strings.Contains(report.Findings[0].Path, sum) {
		t.Errorf("findings: %+v", report.Findings)
	}
	if err := s.Repair(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(orphan); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the orphan is still there (%v)", err)
	}
	checkDocuments(t, s)
}

// A data directory may have any name.
func TestOriginalsInADirectoryOfAnyName(t *testing.T) {
	ctx := t.Context()
	s := openStoreIn(t, filepath.Join(t.TempDir(), "[a-b]"), nil)
	ingest(t, s, files("a.md", "one"), &atocore.IngestOptions{KeepOriginals: true})
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("two")))
	orphan := filepath.Join(s.Dir(), "files", sum[:2], sum)
	writeFile(t, orphan, "two")
	report, err := s.Check(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Findings) != 1 || report.Findings[0].Code != "original_orphaned" {
		t.Errorf("findings: %+v", report.Findings)
	}
	if err := s.Repair(ctx); err != nil {
		t.Fatal(err)
	}
	checkDocuments(t, s)
}

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// realDir is a new folder by the name that IngestPath gives it.
func realDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestIngestPath(t *testing.T) {
	ctx := t.Context()
	s := openStore(t, nil)
	dir := realDir(t)
	join := func(elem ...string) string { return filepath.Join(append([]string{dir}, elem...)...) }
	writeFile(t, join("docs", "a.md"), "one")
	writeFile(t, join("docs", "sub", "b.md"), "two")
	writeFile(t, join("docs", "sub", "tool.go"), "package tool // three")
	writeFile(t, join("other", "c.md"), "four")
	run := func(name string, o *atocore.IngestOptions, want string) {
		t.Helper()
		report, err := s.IngestPath(ctx, name, o)
		if err != nil {
			t.Fatal(err)
		}
		wantCounts(t, report, want)
	}
	// A file belongs to its folder, a folder above takes it over, one inside
	// belongs to it: always the same document.
	run(join("docs", "sub", "b.md"), nil, "added 1, updated 0, renamed 0, unchanged 0, removed 0, skipped 0")
	id := documents(t, s)[filepath.ToSlash(join("docs", "sub", "b.md"))].ID
	run(join("docs"), nil, "added 1, updated 0, renamed 1, unchanged 0, removed 0, skipped 1")
	run(join("docs"), &atocore.IngestOptions{Prune: true}, "added 0, updated 0, renamed 0, unchanged 2, removed 0, skipped 1")
	run(join("docs", "sub"), &atocore.IngestOptions{Prune: true}, "added 0, updated 0, renamed 0, unchanged 1, removed 0, skipped 1")
	run(join("docs", "sub", "b.md"), nil, "added 0, updated 0, renamed 0, unchanged 1, removed 0, skipped 0")
	run(join("docs", "sub", "tool.go"), nil, "added 1, updated 0, renamed 0, unchanged 0, removed 0, skipped 0")
	run(join("docs", "sub"), &atocore.IngestOptions{Only: []string{"b.md"}}, "added 0, updated 0, renamed 0, unchanged 1, removed 0, skipped 0")
	d, err := s.Document(ctx, id)
	if err != nil || d.Path != "sub/b.md" || d.Origin != filepath.ToSlash(join("docs")) {
		t.Errorf("the document is %+v (%v)", d, err)
	}
	if runtime.GOOS != "windows" {
		if err := os.Symlink(join("docs"), join("link")); err != nil {
			t.Fatal(err)
		}
		run(join("link"), nil, "added 0, updated 0, renamed 0, unchanged 2, removed 0, skipped 1")
		run(join("link", "sub", "b.md"), nil, "added 0, updated 0, renamed 0, unchanged 1, removed 0, skipped 0")
	}
	// A folder of a similar name is another one, and each project has its own.
	writeFile(t, join("docs2", "d.md"), "five")
	run(join("docs2"), nil, "added 1, updated 0, renamed 0, unchanged 0, removed 0, skipped 0")
	if _, err := s.AddProject(ctx, atocore.Project{Name: "atlas"}); err != nil {
		t.Fatal(err)
	}
	run(join("docs", "sub"), &atocore.IngestOptions{Project: "atlas"}, "added 1, updated 0, renamed 0, unchanged 0, removed 0, skipped 1")
	run(join("other"), &atocore.IngestOptions{Project: "atlas", Prune: true}, "added 1, updated 0, renamed 0, unchanged 0, removed 0, skipped 0")
	if stats, err := s.Stats(ctx); err != nil || stats.Documents != 6 {
		t.Errorf("%d documents, want 6 (%v)", stats.Documents, err)
	}
	if _, err := s.IngestPath(ctx, join("nothing"), nil); !errors.Is(err, atocore.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
	checkDocuments(t, s)
}

// A hidden file goes in when it is named, and a run over the folder does not
// take it for gone.
func TestIngestPruneKeepsHiddenFiles(t *testing.T) {
	ctx := t.Context()
	s := openStore(t, nil)
	dir := realDir(t)
	for _, name := range []string{"a.md", ".env", ".hid/b.md", ".hid/c.md"} {
		writeFile(t, filepath.Join(dir, filepath.FromSlash(name)), "text of "+name)
	}
	run := func(name string, o *atocore.IngestOptions, want string) {
		t.Helper()
		report, err := s.IngestPath(ctx, filepath.Join(dir, name), o)
		if err != nil {
			t.Fatal(err)
		}
		wantCounts(t, report, want)
	}
	prune := &atocore.IngestOptions{Prune: true}
	run("", nil, "added 1, updated 0, renamed 0, unchanged 0, removed 0, skipped 0")
	run(".hid", nil, "added 2, updated 0, renamed 0, unchanged 0, removed 0, skipped 0")
	run(".env", nil, "added 1, updated 0, renamed 0, unchanged 0, removed 0, skipped 0")
	run("", prune, "added 0, updated 0, renamed 0, unchanged 1, removed 0, skipped 0")
	for _, name := range []string{".env", ".hid/b.md"} {
		if err := os.Remove(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			t.Fatal(err)
		}
	}
	run("", prune, "added 0, updated 0, renamed 0, unchanged 1, removed 2, skipped 0")
}

// A store inside the folder does not take itself in.
func TestIngestPassesOverTheStore(t *testing.T) {
	ctx := t.Context()
	dir := realDir(t)
	own := filepath.Join(dir, "data", "store")
	s := openStoreIn(t, own, nil)
	writeFile(t, filepath.Join(dir, "a.md"), "# One\n\ntext")
	writeFile(t, filepath.Join(dir, "data", "b.md"), "# Two\n\ntext")
	for _, want := range []string{
		"added 2, updated 0, renamed 0, unchanged 0, removed 0, skipped 1",
		"added 0, updated 0, renamed 0, unchanged 2, removed 0, skipped 1",
	} {
		report, err := s.IngestPath(ctx, dir, &atocore.IngestOptions{KeepOriginals: true, Prune: true})
		if err != nil {
			t.Fatal(err)
		}
		wantCounts(t, report, want)
		if diff := cmp.Diff([]atocore.SkippedFile{{Path: "data/store", Reason: "is the store's own directory"}}, report.Skipped); diff != "" {
			t.Errorf("skipped (-want +got):\n%s", diff)
		}
	}
	report, err := s.IngestPath(ctx, own, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, report, "added 0, updated 0, renamed 0, unchanged 0, removed 0, skipped 1")
}

func TestIngestUnreadableFiles(t *testing.T) {
	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		t.Skip("permissions do not bind this user; TestIngestSkipsWhatItCannotRead does without")
	}
	s := openStore(t, nil)
	dir := realDir(t)
	writeFile(t, filepath.Join(dir, "a.md"), "one")
	writeFile(t, filepath.Join(dir, "b", "c.md"), "two")
	if _, err := s.IngestPath(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.md", "b"} {
		if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "b"), 0o755) })
	report, err := s.IngestPath(t.Context(), dir, &atocore.IngestOptions{Prune: true})
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, report, "added 0, updated 0, renamed 0, unchanged 0, removed 0, skipped 2")
}

// Several processes that ingest the same folder at once make one set of
// documents, each file's chunks complete.
func TestIngestByManyAtOnce(t *testing.T) {
	const envDir, envTree = "ATOCORE_TEST_INGEST_DIR", "ATOCORE_TEST_INGEST_TREE"
	if dir := os.Getenv(envDir); dir != "" {
		s := openStoreIn(t, dir, nil)
		if _, err := s.IngestPath(t.Context(), os.Getenv(envTree), &atocore.IngestOptions{KeepOriginals: true, Prune: true}); err != nil {
			t.Fatal(err)
		}
		return
	}
	tree := realDir(t)
	for i := range 80 {
		writeFile(t, filepath.Join(tree, fmt.Sprintf("d%d", i%5), fmt.Sprintf("%d.md", i)), fmt.Sprintf("# Page %d\n\n%s", i, strings.Repeat("text ", i)))
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := openStore(t, nil)
	rounds := 0
	round := func() {
		t.Helper()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestIngestByManyAtOnce$")
				cmd.Env = append(os.Environ(), envDir+"="+s.Dir(), envTree+"="+tree)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
			wg.Go(func() {
				if _, err := s.IngestPath(t.Context(), tree, &atocore.IngestOptions{KeepOriginals: true, Prune: true}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		checkDocuments(t, s)
		if got := len(documents(t, s)); got != 80 {
			t.Errorf("%d documents, want 80", got)
		}
		rounds++
		if stats, err := s.Stats(t.Context()); err != nil || stats.Journal != int64(80*rounds) {
			t.Errorf("%d changes in %d rounds, want 80 in each (%v)", stats.Journal, rounds, err)
		}
	}
	round()
	before := documents(t, s)
	for i := range 80 { // each page moves to another folder
		from := filepath.Join(tree, fmt.Sprintf("d%d", i%5), fmt.Sprintf("%d.md", i))
		to := filepath.Join(tree, "moved", fmt.Sprintf("%d.md", i))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	round()
	ids := map[string]bool{}
	for _, d := range before {
		ids[d.ID] = true
	}
	for name, d := range documents(t, s) {
		if !ids[d.ID] {
			t.Errorf("%s lost its identity", name)
		}
	}
}

// The work on many files is proportional to their number: 20,000 files that
// have all moved are matched in a moment, and named one by one they are too.
func TestIngestManyFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	const n = 20_000
	// Unsupported files cost the walk and the bookkeeping alone.
	fsys := fstest.MapFS{}
	var only []string
	for i := range n {
		name := fmt.Sprintf("d%d/f%d.bin", i%100, i)
		fsys[name] = &fstest.MapFile{}
		only = append(only, name)
	}
	s := openStore(t, nil)
	ingest(t, s, files("a.md", "one", "b.md", "two"), nil)
	report := ingest(t, s, fsys, &atocore.IngestOptions{Only: only, Prune: true})
	wantCounts(t, report, fmt.Sprintf("added 0, updated 0, renamed 0, unchanged 0, removed 0, skipped %d", n))
}

func TestIngestTree(t *testing.T) {
	if *ingestTree == "" {
		t.Skip("no -ingest.tree folder")
	}
	s := openStore(t, nil)
	begin := time.Now()
	report, err := s.IngestPath(t.Context(), *ingestTree, nil)
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]int{}
	for _, f := range report.Skipped {
		reasons[f.Reason]++
		if !strings.HasPrefix(f.Reason, "is neither Markdown nor plain text") {
			t.Logf("skipped %s: %s", f.Path, f.Reason)
		}
	}
	stats, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s; %d chunks, %d bytes in %v; %v", counts(report), stats.Chunks, stats.Bytes, time.Since(begin), reasons)
	checkDocuments(t, s)
	before := storeBytes(t, s)
	begin = time.Now()
	again, err := s.IngestPath(t.Context(), *ingestTree, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("again: %s in %v", counts(again), time.Since(begin))
	if again.Added+again.Updated+again.Renamed+again.Removed != 0 || again.Unchanged != report.Added {
		t.Errorf("a second run did something: %s", counts(again))
	}
	if after := storeBytes(t, s); after != before {
		t.Error("a second run wrote to the data directory")
	}
	for name, d := range documents(t, s) {
		source, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		chunks, err := s.Chunks(t.Context(), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunks {
			if string(source[c.Start:c.End]) != c.Text {
				t.Errorf("%s: bytes %d to %d are not chunk %d", name, c.Start, c.End, c.Ordinal)
			}
		}
	}
}
