package sqlite_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/atocore/atocore/internal/lockfile"
	"github.com/atocore/atocore/internal/sqlite"
)

// A state is what a copy is compared by: it changes with every commit.
type state struct{ rows, ids, last int64 }

func (s *state) read(tx *sqlite.Tx) error {
	_, err := tx.QueryRow(func(r sqlite.Row) { *s = state{r.Int64(0), r.Int64(1), r.Int64(2)} },
		"SELECT count(*), coalesce(sum(id), 0), coalesce(max(id), 0) FROM item")
	return err
}

// stateOf reads a file that nobody changes, and checks it.
func stateOf(t testing.TB, path string) (s state) {
	t.Helper()
	ctx := context.Background()
	db, err := sqlite.OpenImmutable(ctx, sqlite.Config{Path: path, CacheDir: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Read(ctx, s.read); err != nil {
		t.Fatal(err)
	}
	if found, err := db.IntegrityCheck(ctx); err != nil || found != nil {
		t.Errorf("integrity of %s: %q, %v", path, found, err)
	}
	return s
}

func sumOf(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// copyOnce copies the database and holds the copy against the view of the same
// instant.
func copyOnce(t testing.TB, db *sqlite.DB, dst string) sqlite.CopyResult {
	t.Helper()
	var want state
	r, err := db.Copy(context.Background(), dst, sqlite.CopyOptions{View: want.read})
	if err != nil || r.ViewErr != nil {
		t.Fatal(err, r.ViewErr)
	}
	if got := stateOf(t, dst); got != want {
		t.Errorf("the copy has %+v, the instant had %+v", got, want)
	}
	if got := sumOf(t, dst); got != r.SHA256 {
		t.Errorf("hash %s, said %s", got, r.SHA256)
	}
	if fi, err := os.Stat(dst); err != nil || fi.Size() != r.Size {
		t.Errorf("%v, said %d bytes; %v", fi, r.Size, err)
	}
	for _, beside := range []string{"-wal", "-shm", "-journal"} {
		if _, err := os.Stat(dst + beside); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s%s is there: %v", dst, beside, err)
		}
	}
	return r
}

// Commits that are in the log alone are in the copy; a copy of the file alone
// would not have them.
func TestCopyTakesTheLog(t *testing.T) {
	db := open(t, config(t.TempDir()))
	ctx := context.Background()
	for i := range 50 {
		if err := insert(db, ctx, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	file, err := os.ReadFile(db.Path())
	if err != nil {
		t.Fatal(err)
	}
	copyOnce(t, db, filepath.Join(dir, "copy"))
	if got := stateOf(t, filepath.Join(dir, "copy")); got.rows != 50 {
		t.Errorf("%d rows in the copy", got.rows)
	}
	if sum := sha256.Sum256(file); hex.EncodeToString(sum[:]) == sumOf(t, filepath.Join(dir, "copy")) {
		t.Error("the file alone had all commits: the test shows nothing")
	}
	if _, err := db.Copy(ctx, filepath.Join(dir, "copy"), sqlite.CopyOptions{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("copy over a file: %v", err)
	}
}

// A log that is in the file already begins anew under the copy: what was in it is
// written over, and must be taken from the file.
func TestCopyOfACheckpointedLog(t *testing.T) {
	db := open(t, config(t.TempDir()))
	ctx := context.Background()
	const rows = 40 // enough for several reads by the copy
	for range rows {
		if err := writeKB(db, ctx, 128); err != nil {
			t.Fatal(err)
		}
	}
	if res, err := db.Checkpoint(ctx, sqlite.Passive); err != nil || !res.Complete {
		t.Fatal(res, err)
	}
	var want, after state
	dst := filepath.Join(t.TempDir(), "copy")
	once := sync.OnceFunc(func() {
		for range rows {
			if err := writeKB(db, ctx, 128); err != nil {
				t.Error(err)
			}
		}
	})
	r, err := db.Copy(ctx, dst, sqlite.CopyOptions{
		View:     want.read,
		Progress: func(int64, int64) { once() }, // after the first read
	})
	if err != nil || r.ViewErr != nil {
		t.Fatal(err, r.ViewErr)
	}
	if err := db.Read(ctx, after.read); err != nil {
		t.Fatal(err)
	}
	if got := stateOf(t, dst); got != want || want.rows != rows || after.rows != 2*rows {
		t.Errorf("copy %+v, instant %+v, now %+v", got, want, after)
	}
}

// Copies of a database that two processes and two goroutines write to, with the
// shortest log there can be, so that checkpoints are frequent.
func TestCopyWhileOthersWrite(t *testing.T) {
	c := config(t.TempDir())
	c.WALLimit = 1
	db := open(t, c)
	var children []*process
	for i := range 2 {
		children = append(children, startChild(t, "write", filepath.Dir(c.Path), cacheDir, fmt.Sprint("p", i), "600"))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	for g := range 2 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := insert(db, context.Background(), fmt.Sprintf("g%d-%d", g, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	dir := t.TempDir()
	var last state
	different := 0
	for i := range 25 {
		dst := filepath.Join(dir, fmt.Sprint(i))
		copyOnce(t, db, dst)
		if s := stateOf(t, dst); s != last {
			last = s
			different++
		}
	}
	cancel()
	wg.Wait()
	for _, p := range children {
		p.finish(t)
	}
	if different < 20 {
		t.Errorf("%d different states in 25 copies: nobody wrote", different)
	}
}

// While a copy is made, the file stands still and writers go on.
func TestNoCheckpointDuringACopy(t *testing.T) {
	dir := t.TempDir()
	c := config(dir)
	c.WALLimit = 1
	db := open(t, c)
	other := open(t, c)
	ctx := context.Background()
	if err := insert(db, ctx, "in the log alone"); err != nil {
		t.Fatal(err)
	}
	var during []string
	once := sync.OnceFunc(func() {
		before := sumOf(t, db.Path())
		for _, d := range []*sqlite.DB{db, other} {
			for range 10 { // many times the log's limit
				if err := writeKB(d, ctx, 128); err != nil {
					t.Error(err)
				}
			}
			for _, mode := range []sqlite.Mode{sqlite.Passive, sqlite.Truncate} {
				if _, err := d.Checkpoint(ctx, mode); !errors.Is(err, sqlite.ErrBusy) {
					during = append(during, fmt.Sprintf("checkpoint %d: %v", mode, err))
				}
			}
		}
		if sumOf(t, db.Path()) != before {
			during = append(during, "the file has changed")
		}
	})
	_, err := db.Copy(ctx, filepath.Join(dir, "copy"), sqlite.CopyOptions{Progress: func(int64, int64) { once() }})
	if err != nil {
		t.Fatal(err)
	}
	if len(during) > 0 {
		t.Errorf("during the copy: %q", during)
	}
	if res, err := db.Checkpoint(ctx, sqlite.Truncate); err != nil || !res.Complete {
		t.Errorf("checkpoint after the copy: %+v, %v", res, err)
	}
}

// A copy that fails, or is given up, leaves nothing.
func TestCopyFails(t *testing.T) {
	db := open(t, config(t.TempDir()))
	if err := insert(db, context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	_, err := db.Copy(ctx, filepath.Join(dir, "copy"), sqlite.CopyOptions{View: func(*sqlite.Tx) error { return nil },
		Progress: func(int64, int64) { cancel() }})
	if err != nil && !errors.Is(err, context.Canceled) { // the file may be one block
		t.Error(err)
	}
	os.Remove(filepath.Join(dir, "copy"))
	if _, err := db.Copy(ctx, filepath.Join(dir, "copy"), sqlite.CopyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("copy with a context that is done: %v", err)
	}
	if _, err := db.Copy(context.Background(), filepath.Join(dir, "none", "copy"), sqlite.CopyOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("copy into a directory that is not there: %v", err)
	}
	sick := errors.New("sick")
	r, err := db.Copy(context.Background(), filepath.Join(dir, "viewed"), sqlite.CopyOptions{View: func(*sqlite.Tx) error { return sick }})
	if err != nil || !errors.Is(r.ViewErr, sick) {
		t.Errorf("copy with a failing view: %v, %v", err, r.ViewErr)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "viewed" {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What a process leaves that was killed is recovered into the copy, and the
// database is not changed by it.
func TestOpenAsIs(t *testing.T) {
	ctx := context.Background()
	c := config(t.TempDir())
	db := open(t, c)
	for i := range 10 {
		if err := insert(db, ctx, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	// The directory as a crash would leave it, in a schema that is not the present.
	crashed := config(t.TempDir())
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(c.Path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(crashed.Path+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, migrations := range []int{1, 2} {
		crashed.Migrations = testSchema[:migrations]
		before := sumOf(t, crashed.Path) + sumOf(t, crashed.Path+"-wal")
		asIs, err := sqlite.OpenAsIs(ctx, crashed)
		if err != nil {
			t.Fatal(err)
		}
		dst := filepath.Join(t.TempDir(), "copy")
		copyOnce(t, asIs, dst)
		if got := stateOf(t, dst); got.rows != 10 {
			t.Errorf("%d rows", got.rows)
		}
		if err := insert(asIs, ctx, "x"); !errors.Is(err, sqlite.ErrReadOnly) {
			t.Errorf("write: %v", err)
		}
		if _, err := asIs.Checkpoint(ctx, sqlite.Truncate); !errors.Is(err, sqlite.ErrReadOnly) {
			t.Errorf("checkpoint: %v", err)
		}
		if err := asIs.Close(); err != nil {
			t.Error(err)
		}
		if after := sumOf(t, crashed.Path) + sumOf(t, crashed.Path+"-wal"); after != before {
			t.Error("the database has changed")
		}
	}

	none := config(t.TempDir())
	if _, err := sqlite.OpenAsIs(ctx, none); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a database that is not there: %v", err)
	}
	if err := os.WriteFile(none.Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.OpenAsIs(ctx, none); !errors.Is(err, sqlite.ErrNotADatabase) {
		t.Errorf("an empty file: %v", err)
	}
}

// The caller who holds the store alone can copy it.
func TestOpenAsIsExclusive(t *testing.T) {
	ctx := context.Background()
	c := config(t.TempDir())
	db, err := sqlite.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := insert(db, ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	lock, err := lockfile.Open(c.LockPath)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if ok, err := lock.TryLock(lockfile.RangeOpen, lockfile.Exclusive); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := lock.Announce(lockfile.Self()); err != nil {
		t.Fatal(err)
	}
	wait, cancel := short(t)
	defer cancel()
	_, err = sqlite.OpenAsIs(wait, c)
	var held *lockfile.HeldError
	if !errors.Is(err, sqlite.ErrInUse) || !errors.As(err, &held) || len(held.Holders) != 1 || held.Holders[0].PID != os.Getpid() {
		t.Errorf("open of a store that is held: %v", err)
	}
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint("pid ", os.Getpid())) {
		t.Errorf("the message does not name the holder: %v", err)
	}
	c.Exclusive = lock
	asIs, err := sqlite.OpenAsIs(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	copyOnce(t, asIs, filepath.Join(t.TempDir(), "copy"))
	if err := asIs.Close(); err != nil {
		t.Error(err)
	}
	if !lock.Held(lockfile.RangeOpen) {
		t.Error("the caller's lock is gone")
	}
}

// Config.Locked has the last word on whether a file is opened.
func TestLockedHook(t *testing.T) {
	c := config(t.TempDir())
	no := errors.New("not now")
	c.Locked = func() error { return no }
	if _, err := sqlite.Open(context.Background(), c); !errors.Is(err, no) {
		t.Fatal(err)
	}
	lock, err := lockfile.Open(c.LockPath)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if ok, err := lock.TryLock(lockfile.RangeOpen, lockfile.Exclusive); !ok || err != nil {
		t.Error("the file is still held", err)
	}
	if _, err := os.Stat(c.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a database was made:", err)
	}
}

// An immutable file is read without its log, and nothing is written.
func TestOpenImmutable(t *testing.T) {
	ctx := context.Background()
	db := open(t, config(t.TempDir()))
	if err := insert(db, ctx, "in the file"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Checkpoint(ctx, sqlite.Truncate); err != nil {
		t.Fatal(err)
	}
	if err := insert(db, ctx, "in the log"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(db.Path() + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "f"+suffix), b, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	names := func() (out []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			out = append(out, e.Name()+sumOf(t, filepath.Join(dir, e.Name())))
		}
		return out
	}
	before := names()
	if got := stateOf(t, filepath.Join(dir, "f")); got.rows != 1 {
		t.Errorf("%d rows, want the one that is in the file", got.rows)
	}
	im, err := sqlite.OpenImmutable(ctx, sqlite.Config{Path: filepath.Join(dir, "f"), CacheDir: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	if err := insert(im, ctx, "x"); !errors.Is(err, sqlite.ErrReadOnly) {
		t.Errorf("write: %v", err)
	}
	if err := im.Close(); err != nil {
		t.Error(err)
	}
	if after := names(); !slices.Equal(after, before) {
		t.Errorf("the directory has changed from %q to %q", before, after)
	}

	for name, content := range map[string]string{"empty": "", "text": strings.Repeat("no database ", 1000)} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := sqlite.OpenImmutable(ctx, sqlite.Config{Path: path, CacheDir: cacheDir})
		if err == nil {
			err = errors.Join(db.Read(ctx, new(state).read), db.Close())
		}
		if !errors.Is(err, sqlite.ErrNotADatabase) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := sqlite.OpenImmutable(ctx, sqlite.Config{Path: filepath.Join(dir, "none"), CacheDir: cacheDir}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// Edit leaves one file, smaller if it is to be, and whole.
func TestEdit(t *testing.T) {
	ctx := context.Background()
	db := open(t, config(t.TempDir()))
	for range 20 {
		if err := writeKB(db, ctx, 64); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "copy")
	size := copyOnce(t, db, path).Size
	c := sqlite.Config{Path: path, CacheDir: cacheDir}
	err := sqlite.Edit(ctx, c, true, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("DELETE FROM item WHERE id > 3")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := stateOf(t, path); got.rows != 3 {
		t.Errorf("%d rows left", got.rows)
	}
	if fi, err := os.Stat(path); err != nil || fi.Size() > size/2 {
		t.Errorf("%d bytes of %d left; %v", fi.Size(), size, err)
	}
	sick := errors.New("sick")
	if err := sqlite.Edit(ctx, c, false, func(*sqlite.Tx) error { return sick }); !errors.Is(err, sick) {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left beside it: %v, %v", left, err)
	}
}
