package importers_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
	"github.com/atocore/atocore/adapters/importers"
)

// take imports a source.
func take(t *testing.T, store *atocore.Store, s *importers.Source, o atocore.ImportOptions) atocore.ImportReport {
	t.Helper()
	o.From, o.Source = s.From, s.Path
	report, err := store.Import(t.Context(), s.Records(), &o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func stats(t *testing.T, store *atocore.Store) atocore.Stats {
	t.Helper()
	st, err := store.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestImport takes each fixture into a store: nothing is refused, a dry run writes
// nothing and says the same, running it again adds nothing, and undoing it leaves
// nothing.
func TestImport(t *testing.T) {
	for _, test := range []struct {
		from, fixture, path string
		skipped             int // by the importer
	}{
		{"chroma", "chroma", "clean", 2},
		{"chroma", "chroma", "crash", 2},
		{"mcp-memory", "mcp-memory", "", 0},
		{"engram", "engram", "clean", 0},
		{"engram", "engram", "crash", 0},
		{"claude-mem", "claude-mem", "clean", 0},
		{"markdown", "markdown-vault", "", 1},
	} {
		t.Run(test.fixture+" "+test.path, func(t *testing.T) {
			dir := fixture(t, test.fixture)
			s := open(t, test.from, dir, filepath.Join(dir, test.path))
			want, _ := readAll(t, s)
			store := atocoretest.NewStore(t, nil)
			dry := take(t, store, s, atocore.ImportOptions{DryRun: true})
			if n := stats(t, store).Journal; n != 0 {
				t.Errorf("a dry run has written %d entries", n)
			}
			report := take(t, store, s, atocore.ImportOptions{})
			if report.Added != len(want) || report.Updated+report.Unchanged != 0 || len(report.Skipped) != test.skipped {
				t.Errorf("report %+v, want %d added and %d skipped", report, len(want), test.skipped)
			}
			dry.ID, dry.DryRun = report.ID, false
			if diff := cmp.Diff(dry, report); diff != "" {
				t.Errorf("the dry run said otherwise:\n%s", diff)
			}
			before := stats(t, store).Journal
			again := take(t, store, s, atocore.ImportOptions{})
			if again.Unchanged != len(want) || again.Added+again.Updated != 0 || again.ID != "" || stats(t, store).Journal != before {
				t.Errorf("again: %+v", again)
			}
			undone, err := store.UndoImport(t.Context(), "")
			if err != nil || undone.Removed != len(want) || len(undone.Kept) != 0 {
				t.Errorf("undone: %+v, %v", undone, err)
			}
			if st := stats(t, store); st.Memories[atocore.Active]+st.Documents+st.Interactions+st.Projects != 0 {
				t.Errorf("left after the undoing: %+v", st)
			}
			if again := take(t, store, s, atocore.ImportOptions{}); again.Added != len(want) {
				t.Errorf("after the undoing: %+v", again)
			}
		})
	}
}

// TestImportChanged has the source change between two runs.
func TestImportChanged(t *testing.T) {
	store := atocoretest.NewStore(t, nil)
	dir := fixture(t, "engram")
	path := filepath.Join(dir, "clean", "engram.db")
	take(t, store, open2(t, "engram", path), atocore.ImportOptions{})
	edit(t, path, `UPDATE observations SET content = 'Changed since.', updated_at = '2027-01-01 00:00:00' WHERE id = 1`,
		`UPDATE observations SET deleted_at = '2027-01-01 00:00:00' WHERE id = 2`)
	var changes []atocore.ImportChange
	report := take(t, store, open2(t, "engram", path), atocore.ImportOptions{Each: func(c atocore.ImportChange) {
		if c.Action == "update" {
			changes = append(changes, c)
		}
	}})
	if report.Added != 0 || report.Updated != 1 || len(report.Skipped) != 0 || len(changes) != 1 || changes[0].After != "Fixed login time-out\nChanged since." {
		t.Errorf("report %+v, changes %+v", report, changes)
	}

	// A directory that is made anew, with the same collection: the documents keep
	// their places.
	dir = fixture(t, "chroma")
	path = filepath.Join(dir, "clean", "chroma.sqlite3")
	take(t, store, open2(t, "chroma", path), atocore.ImportOptions{})
	edit(t, path, `UPDATE embeddings SET created_at = '2026-11-24 00:00:00'`,
		`UPDATE embedding_metadata SET string_value = 'Recipe 0: rye bread' WHERE string_value = 'Recipe 0: bread'`)
	report = take(t, store, open2(t, "chroma", path), atocore.ImportOptions{})
	if report.Added != 0 || report.Updated != 1 {
		t.Errorf("report %+v", report)
	}
}

// open2 opens a source that the test changes itself.
func open2(t *testing.T, from, path string) *importers.Source {
	t.Helper()
	s, err := importers.Open(t.Context(), from, path, &importers.Options{CompileCache: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestImportTimes wants records where they are searched by time.
func TestImportTimes(t *testing.T) {
	store := atocoretest.NewStore(t, nil)
	dir := fixture(t, "claude-mem")
	take(t, store, open(t, "claude-mem", dir, filepath.Join(dir, "clean")), atocore.ImportOptions{})
	for m, err := range store.Memories(t.Context(), atocore.MemoryFilter{Types: []atocore.MemoryType{atocore.Episodic}}) {
		if err != nil {
			t.Fatal(err)
		}
		if m.CreatedAt.Format(time.DateOnly)[:8] != "2026-03-" || !m.ValidFrom.Equal(m.CreatedAt) {
			t.Errorf("%s happened %s, stored %s", m.Provenance.Source, m.ValidFrom, m.CreatedAt)
		}
	}
}

// TestJSONL takes an export into another store, from a file and from standard input,
// and a journal.
func TestJSONL(t *testing.T) {
	from := atocoretest.NewStore(t, nil)
	dir := fixture(t, "engram")
	take(t, from, open(t, "engram", dir, filepath.Join(dir, "clean")), atocore.ImportOptions{})
	export := func(o *atocore.ExportOptions) string {
		name := filepath.Join(t.TempDir(), "export.jsonl")
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := from.Export(t.Context(), f, o); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		return name
	}
	name := export(nil)
	var want []atocore.Memory
	for m, err := range from.Memories(t.Context(), atocore.MemoryFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, m)
	}
	for _, path := range []string{name, "-"} {
		in, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := importers.Open(t.Context(), "jsonl", path, &importers.Options{Stdin: in})
		if err != nil {
			t.Fatal(err)
		}
		if e, err := s.Journal(); e != nil || err == nil || s.IsJournal() {
			t.Errorf("%s: a journal: %v", path, err)
		}
		to := atocoretest.NewStore(t, nil)
		if report := take(t, to, s, atocore.ImportOptions{}); report.Added == 0 || len(report.Skipped) > 0 {
			t.Errorf("%s: report %+v", path, report)
		}
		var got []atocore.Memory
		for m, err := range to.Memories(t.Context(), atocore.MemoryFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, m)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: memories (-want +got):\n%s", path, diff)
		}
		for _, err := range s.Records() { // a second time
			if err != nil {
				t.Errorf("%s: read again: %v", path, err)
			}
			break
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		_ = in.Close()
	}

	s, err := importers.Open(t.Context(), "jsonl", export(&atocore.ExportOptions{Journal: true}), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Records() {
		if err == nil {
			t.Error("a journal has records")
		}
		break
	}
	to := atocoretest.NewStore(t, nil)
	for range 2 { // the second time, the store is not empty
		e, journalErr := s.Journal()
		if journalErr != nil || !s.IsJournal() {
			t.Fatal(journalErr)
		}
		err = to.ReplayExport(t.Context(), e)
	}
	if !errors.Is(err, atocore.ErrConflict) {
		t.Errorf("replayed twice: %v", err)
	}
	if a, b := stats(t, from), stats(t, to); a.Journal != b.Journal {
		t.Errorf("journals of %d and %d entries", a.Journal, b.Journal)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

type vaultExpected struct {
	Notes map[string]struct {
		Title            *string
		Aliases          []string
		Tags             []string
		InlineTags       []string `json:"inline_tags"`
		Links, Embeds    []string
		FrontMatterLinks []string `json:"front_matter_links"`
		LinksInComment   []string `json:"links_in_comment"`
		Relations        [][2]string
		Observations     [][2]string
		Tasks            *struct{ Done, Open int }
		Headings         []string
	}
	NotNotes []string `json:"not_notes"`
}

// TestVault holds each note's document to what a careful reader finds in the note.
func TestVault(t *testing.T) {
	dir := fixture(t, "markdown-vault")
	e := expected[vaultExpected](t, dir, "expected.json")
	store := atocoretest.NewStore(t, nil)
	report := take(t, store, open(t, "markdown", dir, dir), atocore.ImportOptions{Project: "vault"})
	if len(report.Skipped) != 1 || !strings.HasSuffix(report.Skipped[0].Key, "README.md") {
		t.Errorf("skipped %v", report.Skipped)
	}
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]atocore.Document{}
	for d, err := range store.Documents(t.Context(), atocore.DocumentFilter{Project: "vault", Origin: filepath.ToSlash(root)}) {
		if err != nil {
			t.Fatal(err)
		}
		got[d.Path] = d
	}
	if len(got) != len(e.Notes) {
		t.Errorf("%d notes, want %d", len(got), len(e.Notes))
	}
	for _, name := range e.NotNotes {
		if _, found := got[name]; found {
			t.Errorf("%s is no note", name)
		}
	}
	for name, want := range e.Notes {
		d, found := got[name]
		if !found {
			t.Errorf("%s is not there", name)
			continue
		}
		if want.Title != nil && d.Title != *want.Title || d.Title == "" {
			t.Errorf("%s: title %q", name, d.Title)
		}
		tags := append(slices.Clone(want.Tags), want.InlineTags...)
		slices.Sort(tags)
		if tags = slices.Compact(tags); !slices.Equal(d.Tags, tags) {
			t.Errorf("%s: tags %q, want %q", name, d.Tags, tags)
		}
		if aliases := strings.Join(want.Aliases, ", "); d.Metadata["aliases"] != aliases {
			t.Errorf("%s: aliases %q, want %q", name, d.Metadata["aliases"], aliases)
		}
		lines := func(format string, pairs [][2]string) string {
			var out []string
			for _, p := range pairs {
				out = append(out, fmt.Sprintf(format, p[0], p[1]))
			}
			return strings.Join(out, "\n")
		}
		tasks := ""
		if want.Tasks != nil {
			tasks = fmt.Sprintf("%d done, %d open", want.Tasks.Done, want.Tasks.Open)
		}
		for key, want := range map[string]string{
			"note:links": strings.Join(want.Links, "\n"), "note:embeds": strings.Join(want.Embeds, "\n"),
			"note:observations": lines("[%s] %s", want.Observations), "note:relations": lines("%s [[%s]]", want.Relations), "note:tasks": tasks,
		} {
			if got := d.Metadata[key]; got != want {
				t.Errorf("%s: %s %q, want %q", name, key, got, want)
			}
		}
		for _, l := range want.FrontMatterLinks {
			if !strings.Contains(d.Metadata["links"], "[["+l+"]]") {
				t.Errorf("%s: the front matter's links are %q", name, d.Metadata["links"])
			}
		}
		wantHeadings(t, store, d, want.Headings)
	}
}

// wantHeadings wants each heading in the chunks, in the order of the note, and no
// path of headings that the note does not have.
func wantHeadings(t *testing.T, store *atocore.Store, d atocore.Document, want []string) {
	t.Helper()
	chunks, err := store.Chunks(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.NewReplacer("[[", "", "]]", "", "[", "", "]", "")
	var text strings.Builder
	for _, ch := range chunks {
		text.WriteString(ch.Text + "\n")
		if path := strings.Join(ch.Heading, " > "); path != "" && !slices.ContainsFunc(want, func(w string) bool { return plain.Replace(w) == plain.Replace(path) }) {
			t.Errorf("%s: a chunk stands under %q, and the note has %q", d.Path, path, want)
		}
	}
	rest := text.String()
	for _, w := range want {
		last := w[strings.LastIndex(w, "> ")+1:]
		last = strings.TrimPrefix(last, " ")
		i := strings.Index(rest, last)
		if i < 0 {
			t.Errorf("%s: heading %q is not in the chunks", d.Path, w)
			continue
		}
		rest = rest[i+len(last):]
	}
}

// TestVaultAndIngest has both read one folder: each note is there once.
func TestVaultAndIngest(t *testing.T) {
	dir := fixture(t, "markdown-vault")
	store := atocoretest.NewStore(t, nil)
	take(t, store, open(t, "markdown", dir, dir), atocore.ImportOptions{})
	before := stats(t, store).Documents
	if _, err := store.IngestPath(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	if after := stats(t, store).Documents; after != before+1 { // the README
		t.Errorf("%d documents, and %d after ingesting the same folder", before, after)
	}
}

// TestVaultFiles has what a folder may hold beside notes.
func TestVaultFiles(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"a.md": "# A", "b.MARKDOWN": "b", "c.txt": "no note", "empty.md": " \n", "nul.md": "a\x00b", "latin.md": "caf\xe9",
		".hidden.md": "hidden", ".trash/d.md": "hidden", "sub/README.md": "# Sub", "large.md": strings.Repeat("x", atocore.MaxDocumentBytes+1),
	} {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	links := []string{}
	if err := os.Symlink(filepath.Join(dir, "a.md"), filepath.Join(dir, "link.md")); err == nil {
		links = []string{"link.md is a link or a special file"}
	}
	store := atocoretest.NewStore(t, nil)
	report := take(t, store, open(t, "markdown", dir, dir), atocore.ImportOptions{})
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	var skipped []string
	for _, s := range report.Skipped {
		skipped = append(skipped, strings.TrimPrefix(s.Key, "markdown:"+filepath.ToSlash(root)+"/")+" "+s.Reason)
	}
	slices.Sort(skipped)
	want := append([]string{
		"empty.md is empty", fmt.Sprintf("large.md is larger than %d bytes", atocore.MaxDocumentBytes), "latin.md invalid text: is not UTF-8 at offset 3 (convert it first)", "nul.md invalid text: has a NUL byte at offset 1 (give text)",
	}, links...)
	slices.Sort(want)
	if report.Added != 3 || !slices.Equal(skipped, want) {
		t.Errorf("%d added, skipped %q, want %q", report.Added, skipped, want)
	}

	// One note by its name, which may be the README.
	one := open(t, "markdown", dir, filepath.Join(dir, "sub", "README.md"))
	if all, _ := records(t, one); len(all) != 1 || all[0].Document.Path != "README.md" {
		t.Errorf("one note: %+v", all)
	}
}
