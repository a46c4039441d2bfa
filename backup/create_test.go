package backup_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/lockfile"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// A snapshot of an open store has what was committed, also what is in the log
// alone, and says what it is.
func TestCreate(t *testing.T) {
	c, db := newStore(t, 50)
	main := readFile(t, db.Path())
	c.Now = func() time.Time { return noon }
	steps := map[string]bool{}
	s := create(t, c, backup.CreateOptions{Label: "before the move", Progress: func(p backup.Progress) {
		steps[p.Step] = true
		if p.Done > p.Total {
			t.Errorf("%+v", p)
		}
	}})
	if want := filepath.Join(c.Snapshots, "20260409T120000Z"); s.Path != want || s.Stamp != "20260409T120000Z" {
		t.Errorf("got %s at %s", s.Stamp, s.Path)
	}
	if sumOf(main) == s.Manifest.Files[0].SHA256 {
		t.Error("the file alone had all commits: the test shows nothing about the log")
	}
	for _, step := range []string{"copy", "files", "hash", "check"} {
		if !steps[step] {
			t.Errorf("no progress of %s: %v", step, steps)
		}
	}

	want := backup.Manifest{
		Format: 1, Kind: backup.KindStore, Origin: backup.OriginManual, Stamp: s.Stamp, Created: noon, Label: "before the move",
		Tool:   backup.Tool{Name: "atocore", Version: "v0.0.0-test", Build: "abcdef", SQLite: "3.47.0"},
		Schema: len(schema.Migrations()), Digest: digestOf(t, db), Vectors: true,
		Space:  &backup.Space{Name: "test", Dimensions: 4, Fingerprint: "f"},
		Counts: map[string]int64{}, Files: s.Manifest.Files,
	}
	for _, table := range schema.TablesOf(want.Schema) {
		want.Counts[table] = 0
	}
	for table, n := range map[string]int64{"memories": 50, "documents": 3, "chunks": 3, "units": 53, "unit_terms": 53, "unit_log": 53, "vectors": 53, "spaces": 1} {
		want.Counts[table] = n
	}
	if d := cmp.Diff(want, *s.Manifest); d != "" {
		t.Errorf("manifest (-want +got):\n%s", d)
	}
	if !s.Sound() || s.Check == nil || !s.Check.OK || len(s.Manifest.Files) != 4 {
		t.Errorf("got %+v", s)
	}
	var total int64
	for name, content := range tree(t, s.Path) {
		if content != "directory" {
			total += int64(len(content))
		}
		info, err := os.Stat(filepath.Join(s.Path, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v: others can read it", name, info.Mode(), err)
		}
	}
	if total != s.Bytes {
		t.Errorf("it says %d bytes and has %d", s.Bytes, total)
	}

	wantCodes(t, validate(t, c, backup.Latest, backup.ValidateOptions{Vectors: true}))
	found, err := backup.Find(t.Context(), c, s.Stamp)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(list(t, c), []backup.Snapshot{found}); d != "" {
		t.Errorf("list and find differ:\n%s", d)
	}
	remember(t, db, "later", 1) // the store is as usable as before
	if digestOf(t, db) == s.Manifest.Digest {
		t.Error("the digest does not see a change")
	}
}

func TestDefaultPlace(t *testing.T) {
	c, _ := newStore(t, 1)
	c.Snapshots = ""
	s := create(t, c, backup.CreateOptions{})
	if want := filepath.Join(c.Data, "backups", "snapshots", s.Stamp); s.Path != want {
		t.Errorf("got %s, want %s", s.Path, want)
	}
}

func TestFindAndListNothing(t *testing.T) {
	c := config(t.TempDir())
	if got := list(t, c); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	for stamp, want := range map[string]error{
		backup.Latest: backup.ErrNotFound, "20260409T120000Z": backup.ErrNotFound,
		"": backup.ErrInvalid, "..": backup.ErrInvalid, "20261309T120000Z": backup.ErrInvalid, ".20260409T120000Z.tmp": backup.ErrInvalid,
	} {
		if _, err := backup.Find(t.Context(), c, stamp); !errors.Is(err, want) {
			t.Errorf("find %q: %v", stamp, err)
		}
		if _, err := backup.Validate(t.Context(), c, stamp, backup.ValidateOptions{}); !errors.Is(err, want) {
			t.Errorf("validate %q: %v", stamp, err)
		}
	}
	if _, err := backup.Create(t.Context(), c, backup.CreateOptions{}); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("create: %v", err)
	}
	if _, err := os.Stat(c.Snapshots); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory was made for nothing: %v", err)
	}
}

func TestListPassesOverWhatIsNoSnapshot(t *testing.T) {
	c, _ := newStore(t, 1)
	s := create(t, c, backup.CreateOptions{NoCheck: true})
	writeFile(t, filepath.Join(c.Snapshots, "notes", "x"), "")
	writeFile(t, filepath.Join(c.Snapshots, "20260409T120000Z"), "a file")
	writeFile(t, filepath.Join(c.Snapshots, ".20260409T120001Z.tmp", "manifest.json"), "{}")
	if err := os.Symlink(s.Path, filepath.Join(c.Snapshots, "20260409T120002Z")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(c.Snapshots, "20200101T000000Z", "manifest.json"), "{}")
	got := list(t, c)
	if want := []string{s.Stamp, "20200101T000000Z"}; !slices.Equal(stampsOf(got), want) {
		t.Fatalf("got %q, want %q", stampsOf(got), want)
	}
	if bad := got[1]; bad.Sound() || bad.Manifest != nil || bad.Problem == "" || bad.Bytes != 2 {
		t.Errorf("got %+v", bad)
	}
}

// Snapshots that begin in the same second get stamps of their own, in one process
// and in several.
func TestTwoSnapshotsInOneSecond(t *testing.T) {
	c, _ := newStore(t, 20)
	c.Now = func() time.Time { return noon }
	var wg sync.WaitGroup
	const each, processes = 3, 2
	for range each {
		wg.Go(func() {
			if _, err := backup.Create(context.Background(), c, backup.CreateOptions{NoCheck: true}); err != nil {
				t.Error(err)
			}
		})
	}
	var all []*process
	for range processes {
		all = append(all, startChild(t, "create", filepath.Dir(c.Data)))
	}
	for _, p := range all {
		p.finish(t)
	}
	wg.Wait()
	got := list(t, c)
	if len(got) != each+processes {
		t.Errorf("got %q", stampsOf(got))
	}
	for i, s := range got {
		if want := noon.Add(time.Duration(each+processes-1-i) * time.Second).Format("20060102T150405Z"); s.Stamp != want || s.Manifest.Stamp != want {
			t.Errorf("got %s, want %s", s.Stamp, want)
		}
		wantCodes(t, validate(t, c, s.Stamp, backup.ValidateOptions{}))
	}
	if left := hidden(t, c); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

// A clock that was set back does not make what is taken now look older than what
// was taken before.
func TestClockSetBack(t *testing.T) {
	c, _ := newStore(t, 1)
	c.Now = func() time.Time { return noon }
	first := create(t, c, backup.CreateOptions{NoCheck: true})
	c.Now = func() time.Time { return noon.Add(-time.Hour) }
	// One is under way in addition: its stamp is taken.
	second := create(t, c, backup.CreateOptions{NoCheck: true, View: func(*sqlite.Tx) error {
		third := create(t, c, backup.CreateOptions{NoCheck: true})
		if third.Stamp != "20260409T120002Z" {
			t.Errorf("taken meanwhile: %s", third.Stamp)
		}
		return nil
	}})
	if got, want := stampsOf(list(t, c)), []string{"20260409T120002Z", "20260409T120001Z", first.Stamp}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !second.Manifest.Created.Equal(c.Now()) {
		t.Errorf("created at %s", second.Manifest.Created)
	}

	writeFile(t, filepath.Join(c.Snapshots, "99991231T235959Z", "x"), "")
	if s, err := backup.Create(t.Context(), c, backup.CreateOptions{NoCheck: true}); err == nil {
		t.Errorf("taken as %s, which is never listed", s.Stamp)
	}
}

// While another process writes, each snapshot is of one instant.
func TestCreateWhileOthersWrite(t *testing.T) {
	c, _ := newStore(t, 10)
	p := startChild(t, "write", filepath.Dir(c.Data))
	p.line(t)
	seen := map[string]bool{}
	for range 4 {
		var digest string
		s := create(t, c, backup.CreateOptions{View: func(tx *sqlite.Tx) (err error) {
			digest, _, err = schema.Digest(tx)
			return err
		}})
		if s.Manifest.Digest != digest || !s.Sound() || s.Check == nil {
			t.Errorf("digest %s, of the view %s, findings %v", s.Manifest.Digest, digest, s.Check)
		}
		seen[digest] = true
		p.line(t) // it goes on
	}
	if len(seen) != 4 {
		t.Errorf("%d different instants: nothing was written meanwhile", len(seen))
	}
}

func TestCreateWithoutVectors(t *testing.T) {
	c, db := newStore(t, 200)
	with := create(t, c, backup.CreateOptions{})
	s := create(t, c, backup.CreateOptions{NoVectors: true})
	if s.Manifest.Vectors || !with.Manifest.Vectors || s.Manifest.Digest != digestOf(t, db) {
		t.Errorf("got %+v", s.Manifest)
	}
	if n := s.Manifest.Counts; n["vectors"] != 0 || n["embedding_queue"] != 203 || n["units"] != 203 {
		t.Errorf("got %v", n)
	}
	if s.Bytes >= with.Bytes {
		t.Errorf("%d bytes without, %d with vectors", s.Bytes, with.Bytes)
	}
	wantCodes(t, validate(t, c, s.Stamp, backup.ValidateOptions{}))
	r := validate(t, c, s.Stamp, backup.ValidateOptions{Vectors: true, Trust: true})
	wantCodes(t, r, "vectors_snapshot_missing")
	if !r.Intact {
		t.Error("its files are as they were taken")
	}
	if found, err := backup.Find(t.Context(), c, s.Stamp); err != nil || !found.Sound() {
		t.Errorf("that vectors were asked for is no fault: %+v, %v", found.Check, err)
	}
	wantCodes(t, validate(t, c, with.Stamp, backup.ValidateOptions{Vectors: true}))
}

// Originals that go together with their record while a snapshot is taken: then it
// is of a later instant.
func TestOriginalsRemovedMeanwhile(t *testing.T) {
	c, db := newStore(t, 1)
	sum := keep(t, c, db, "to be forgotten")
	runs := 0
	s := create(t, c, backup.CreateOptions{View: func(*sqlite.Tx) error {
		runs++
		if runs > 1 {
			return nil
		}
		write(t, db, `DELETE FROM unit_terms WHERE unit IN (SELECT unit FROM units WHERE id = '`+sum+`.0');
			DELETE FROM vectors WHERE unit IN (SELECT unit FROM units WHERE id = '`+sum+`.0');
			DELETE FROM units WHERE id = '`+sum+`.0';
			DELETE FROM documents WHERE id = '`+sum+`'`)
		return os.Remove(originalPath(c.Data, sum))
	}})
	if runs != 2 || !s.Sound() || s.Check == nil || s.Manifest.Digest != digestOf(t, db) {
		t.Errorf("%d runs, %+v", runs, s)
	}
	if _, err := os.Stat(originalPath(s.Path, sum)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the original is there: %v", err)
	}
}

// What an interrupted restore has half replaced is not saved as if it were a store.
func TestCreateRefusesAnUnfinishedRestore(t *testing.T) {
	c, db := newStore(t, 1)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(c.Data, backup.RestoreName, backup.JournalName), "{}")
	for range 2 {
		if _, err := backup.Create(t.Context(), c, backup.CreateOptions{}); !errors.Is(err, backup.ErrPending) {
			t.Errorf("got %v", err)
		}
		// And the same for one that has to be saved file by file.
		writeFile(t, filepath.Join(c.Data, backup.DatabaseName), "no database")
	}
	if got := list(t, c); len(got) != 0 || hidden(t, c) != nil {
		t.Errorf("got %v, %v", got, hidden(t, c))
	}
}

// A create that fails leaves nothing.
func TestCreateFails(t *testing.T) {
	c, _ := newStore(t, 50)
	mine := errors.New("mine")
	stop, cancel := context.WithCancel(context.Background())
	for name, test := range map[string]struct {
		ctx  context.Context
		o    backup.CreateOptions
		want error
	}{
		"view":      {context.Background(), backup.CreateOptions{View: func(*sqlite.Tx) error { return mine }}, mine},
		"cancelled": {stop, backup.CreateOptions{Progress: func(p backup.Progress) { cancel() }}, context.Canceled},
		"label":     {context.Background(), backup.CreateOptions{Label: "a\x1b[2Jb"}, backup.ErrInvalid},
		"long":      {context.Background(), backup.CreateOptions{Label: strings.Repeat("x", 201)}, backup.ErrInvalid},
		"origin":    {context.Background(), backup.CreateOptions{Origin: "moon"}, backup.ErrInvalid},
		"restoring": {context.Background(), backup.CreateOptions{Restoring: "../x"}, backup.ErrInvalid},
	} {
		if _, err := backup.Create(test.ctx, c, test.o); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
	if got := list(t, c); len(got) != 0 || hidden(t, c) != nil {
		t.Errorf("got %v, left %q", got, hidden(t, c))
	}
}

// Where the check cannot be made the snapshot is there all the same, unchecked.
func TestCreateWhoseCheckIsCancelled(t *testing.T) {
	c, _ := newStore(t, 5)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := backup.Create(ctx, c, backup.CreateOptions{Progress: func(p backup.Progress) {
		if p.Step == "hash" {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || s.Manifest == nil || s.Check != nil {
		t.Errorf("got %+v, %v", s, err)
	}
	if got := list(t, c); len(got) != 1 || got[0].Check != nil {
		t.Errorf("got %+v", got)
	}
}

// A restore, which holds the store exclusively, can take a snapshot; nobody else.
func TestCreateOfAStoreHeldExclusively(t *testing.T) {
	c, db := newStore(t, 5)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	lock, err := lockfile.Open(filepath.Join(c.Data, backup.LockName))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if ok, err := lock.TryLock(lockfile.RangeOpen, lockfile.Exclusive); !ok || err != nil {
		t.Fatal(ok, err)
	}
	o := backup.CreateOptions{Origin: backup.OriginPreRestore, Restoring: "20260409T120000Z", Exclusive: lock}
	if s := create(t, c, o); !s.Sound() || s.Check == nil || s.Manifest.Origin != o.Origin || s.Manifest.Restoring != o.Restoring {
		t.Errorf("got %+v", s)
	}
	// Also one that cannot be read.
	for range 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		if _, err := backup.Create(ctx, c, backup.CreateOptions{}); !errors.Is(err, sqlite.ErrInUse) {
			t.Errorf("somebody else: %v", err)
		}
		cancel()
		writeFile(t, filepath.Join(c.Data, backup.DatabaseName), "no database")
	}
	if s := create(t, c, o); s.Manifest.Kind != backup.KindRaw {
		t.Errorf("got %+v", s)
	}
	if left := hidden(t, c); left != nil {
		t.Errorf("left %q", left)
	}
}

// What was left behind goes, unless somebody is at work in the directory.
func TestLeftoversAreCleanedUp(t *testing.T) {
	c, _ := newStore(t, 1)
	old := create(t, c, backup.CreateOptions{})
	leave := func() {
		for _, name := range []string{".20260101T000000Z.tmp/atocore.db", ".20260101T000001Z.removed/files/aa/x", ".checks/20260101T000000Z.json", ".checks/.new-123"} {
			writeFile(t, filepath.Join(c.Snapshots, filepath.FromSlash(name)), "x")
		}
		// Not ours.
		for _, name := range []string{".notes", "notes", ".20260101.tmp", ".checks/readme"} {
			writeFile(t, filepath.Join(c.Snapshots, filepath.FromSlash(name)), "x")
		}
	}
	leave()
	release, err := backup.Hold(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	create(t, c, backup.CreateOptions{})
	if got := hidden(t, c); len(got) != 4 {
		t.Errorf("somebody was at work: %q", got)
	}
	release()
	create(t, c, backup.CreateOptions{})
	if got, want := hidden(t, c), []string{".20260101.tmp", ".notes"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	checks, err := os.ReadDir(filepath.Join(c.Snapshots, ".checks"))
	if err != nil || len(checks) != 4 { // three records, and readme
		t.Errorf("got %v, %v", checks, err)
	}
	if _, err := os.Stat(filepath.Join(c.Snapshots, ".checks", old.Stamp+".json")); err != nil {
		t.Errorf("record of a snapshot that is there: %v", err)
	}
	leave()
	if _, err := backup.Prune(t.Context(), c, backup.Policy{KeepLast: 1}, backup.PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := hidden(t, c); len(got) != 2 || len(list(t, c)) != 1 {
		t.Errorf("got %q, %q", got, stampsOf(list(t, c)))
	}
}
