package restore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/lockfile"
	"github.com/atocore/atocore/internal/owner"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// patience is how long a store that is in use is waited for: a command that is
// just ending, not a service.
const patience = time.Second

// hold takes the store for this restore alone.
func (t *task) hold(ctx context.Context) error {
	// Before anything is made: what is not ours gets no lock file beside it either.
	if err := t.p.inspect(); err != nil {
		return err
	}
	if _, err := os.Stat(t.p.data); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(t.p.data, 0o700); err != nil {
			return err
		}
		if err := t.p.ops.SyncDir(filepath.Dir(t.p.data)); err != nil {
			return err
		}
	}
	lock, err := t.p.openLock()
	if err != nil {
		return err
	}
	waitCtx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := lock.Lock(waitCtx, lockfile.RangeOpen, lockfile.Exclusive); err != nil {
		if waitCtx.Err() != nil && ctx.Err() == nil {
			err = t.p.inUse()
		}
		return errors.Join(err, lock.Close())
	}
	t.lock = lock
	announce(lock, t.c)
	return t.p.unused(waitCtx)
}

// unused looks for a program that has the database open without the lock file, and
// would find it written over. It waits for one that is about to end. The store is
// held exclusively.
func (p *place) unused(ctx context.Context) error {
	for {
		pid, used, err := sqlite.User(p.db)
		if err != nil || !used {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return &sqlite.Error{
				Op: "lock", Path: p.db, Kind: sqlite.ErrInUse,
				Err:  fmt.Errorf("locked by a program that opened it with SQLite alone, %s", orUnknown(pid)),
				Hint: "stop it and try again",
			}
		}
	}
}

func orUnknown(pid int) string {
	if pid < 1 {
		return "whose pid the system does not tell"
	}
	return fmt.Sprintf("pid %d", pid)
}

// openLock opens the lock file and makes it where it is missing.
func (p *place) openLock() (*lockfile.File, error) {
	name := filepath.Join(p.data, backup.LockName)
	_, err := os.Stat(name)
	lock, openErr := lockfile.Open(name)
	if openErr != nil {
		return nil, openErr
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err := owner.Adopt(name); err != nil {
			return nil, errors.Join(err, lock.Close())
		}
	}
	return lock, nil
}

func announce(lock *lockfile.File, c Config) {
	if err := lock.Announce(lockfile.Self()); err != nil && c.Logger != nil {
		// It is for the messages of others only.
		c.Logger.Debug("holder not announced", "path", lock.Path(), "err", err)
	}
}

func (p *place) inUse() error {
	return &sqlite.Error{
		Op: "lock", Path: p.data, Kind: sqlite.ErrInUse,
		Err:  lockfile.Held(filepath.Join(p.data, backup.LockName)),
		Hint: "stop it and try again",
	}
}

// inspect refuses a database that is another program's. A file that is no database
// any more is taken for a broken one of ours where a lock file, a log or originals
// beside it say so; it is saved as it is.
func (p *place) inspect() error {
	foreign := func(err error) error {
		return &sqlite.Error{
			Op: "restore", Path: p.db, Kind: sqlite.ErrForeign, Err: err,
			Hint: "restore into another directory, or move the file away",
		}
	}
	switch info, err := os.Stat(p.db); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return foreign(errors.New("is not a file"))
	}
	f, err := os.Open(p.db)
	if errors.Is(err, fs.ErrPermission) {
		return err
	}
	var header [72]byte
	if err == nil {
		_, err = io.ReadFull(f, header[:])
		f.Close()
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil // empty
	case err == nil && string(header[:16]) == "SQLite format 3\x00":
		if id := int32(binary.BigEndian.Uint32(header[68:])); id != schema.ApplicationID {
			return foreign(fmt.Errorf("its application ID is %#x", uint32(id)))
		}
		return nil
	}
	for _, name := range []string{backup.LockName, backup.FilesName, backup.DatabaseName + "-wal", workName} {
		if _, err := os.Lstat(filepath.Join(p.data, name)); err == nil {
			return nil
		}
	}
	return foreign(errors.New("is not a database"))
}

// recover ends an earlier restore that was interrupted. Where that cannot be done
// because what it had prepared is damaged, what there is of the store is saved like
// any broken one and the new restore takes the old one's place.
func (t *task) recover(ctx context.Context) error {
	err := t.p.settle(context.WithoutCancel(ctx))
	if errors.Is(err, errDamaged) || errors.Is(err, ErrFailed) {
		t.stuck = true
		if t.c.Logger != nil {
			t.c.Logger.Warn("an interrupted restore cannot be finished, a new one takes its place", "path", t.p.data, "err", err)
		}
		return nil
	}
	return err
}

// save takes the pre-restore snapshot.
func (t *task) save(ctx context.Context) error {
	something, err := t.p.something()
	if t.o.NoPreSnapshot || err == nil && !something {
		return nil
	}
	var s backup.Snapshot
	if err == nil {
		s, err = backup.Create(ctx, t.c.Config, backup.CreateOptions{
			Origin:    backup.OriginPreRestore,
			Restoring: t.o.Stamp,
			Exclusive: t.lock,
			Progress:  t.o.Progress,
		})
	}
	if err == nil {
		err = t.proveSaved(ctx, s)
	}
	if err != nil {
		return fmt.Errorf("nothing has been changed: what is to be replaced could not be saved (--no-pre-snapshot does without): %w", err)
	}
	t.previous = &s
	t.report.PreRestoreSnapshot = s.Stamp
	return nil
}

// proveSaved validates the pre-restore snapshot. A store that was broken may be so
// in its snapshot.
func (t *task) proveSaved(ctx context.Context, s backup.Snapshot) error {
	found, err := backup.Validate(ctx, t.c.Config, s.Stamp, backup.ValidateOptions{Trust: true, Progress: t.o.Progress})
	if err != nil {
		return err
	}
	broken := s.Manifest != nil && (s.Manifest.Kind == backup.KindRaw || len(s.Manifest.Damaged) > 0)
	if s.Manifest == nil || !found.OK && !(broken && found.Intact) {
		return &backup.UnsoundError{Stamp: s.Stamp, Findings: found.Findings}
	}
	return nil
}

// something reports whether there is anything to save.
func (p *place) something() (bool, error) {
	for _, name := range databaseNames() {
		if info, err := os.Stat(p.database(name)); err == nil && info.Size() > 0 {
			return true, nil
		}
	}
	originals, _, err := p.staleOriginals(&journal{})
	return len(originals) > 0, err
}

// decide stages the snapshot and writes the journal.
func (t *task) decide(ctx context.Context) (err error) {
	previous := ""
	if t.previous != nil {
		previous = t.previous.Stamp
	}
	t.journal, err = t.p.decide(ctx, t.src, previous, t.progress("stage", size(t.src.manifest)))
	if err == nil || t.stuck {
		return err // stuck: the store stays closed until a restore succeeds
	}
	if e := t.p.abort(); e != nil {
		err = errors.Join(err, fmt.Errorf("remove what was prepared: %w", e))
	}
	return err
}

// decide stages the snapshot and writes the journal. After an error the store is as
// it was, and abort has to follow.
func (p *place) decide(ctx context.Context, src source, previous string, progress func(int64)) (*journal, error) {
	j, err := p.stage(ctx, src, progress)
	if err != nil {
		return nil, err
	}
	j.Previous = previous
	return j, p.writeJournal(j)
}

func size(m *backup.Manifest) (total int64) {
	for _, f := range m.Files {
		if !strings.HasPrefix(f.Path, backup.FilesName+"/") {
			total += f.Size
		}
	}
	return total
}

func (t *task) swap(ctx context.Context) error {
	files, err := t.p.redo(ctx, t.journal, t.progress("swap", t.journal.size()))
	t.report.FilesRestored = files
	return err
}

// verify reads back what was restored and opens it, both at once.
func (t *task) verify(ctx context.Context) error {
	var digest string
	var broken []string
	var engineErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		if t.journal.Kind == backup.KindStore {
			digest, broken, engineErr = t.open(ctx)
		}
	}()
	findings, err := t.p.compare(ctx, t.journal, t.progress("verify", t.journal.size()))
	<-done
	if err != nil {
		return err
	}
	want := t.src.manifest.Digest
	t.report.WALRemoved = true
	for _, f := range findings {
		t.report.WALRemoved = t.report.WALRemoved && f.Code != codeSideFile
	}
	t.report.DigestOK = want != "" && digest == want
	switch {
	case t.unsound || t.journal.Kind == backup.KindRaw:
		// It is as it was, which is all that was asked for.
	case engineErr != nil:
		findings = append(findings, t.finding(codeIntegrity, "a database that opens", engineErr.Error()))
	case len(broken) > 0:
		findings = append(findings, t.finding(codeIntegrity, "ok", strings.Join(broken, "; ")))
	case !t.report.DigestOK:
		findings = append(findings, t.finding(codeDigest, want, digest))
	default:
		t.report.RestoredIntegrityOK = len(findings) == 0
	}
	t.report.Findings = append(t.report.Findings, findings...)
	if len(findings) > 0 {
		return fmt.Errorf("%w: %s of %s", ErrFailed, findings[0].Code, findings[0].Path)
	}
	return nil
}

func (t *task) finding(code, expected, found string) backup.Finding {
	return backup.Finding{
		Code: code, Path: backup.DatabaseName, Expected: expected, Found: found,
		Hint: "validate the snapshot; if it is sound the disk may be failing",
	}
}

// open opens the restored database as it lies there, counts its rows and gives its
// digest. Its bytes are those of a file that was checked, except where they were
// edited: then it is checked now.
func (t *task) open(ctx context.Context) (digest string, broken []string, err error) {
	db, err := sqlite.OpenImmutable(ctx, sqlite.Config{Path: t.p.db, CacheDir: t.c.CompileCache, Logger: t.c.Logger})
	if err != nil {
		return "", nil, err
	}
	var counts map[string]int64
	err = db.Read(ctx, func(tx *sqlite.Tx) (err error) {
		if counts, err = schema.Counts(tx); err == nil && t.src.edit != nil {
			digest, _, err = schema.Digest(tx)
		}
		return err
	})
	switch {
	case err != nil:
	case t.src.edit != nil:
		broken, err = db.IntegrityCheck(ctx)
	default:
		if want := t.src.manifest.Counts; !maps.Equal(counts, want) {
			broken = append(broken, fmt.Sprintf("rows %v instead of %v", counts, want))
		}
		digest, err = t.content.wait()
	}
	return digest, broken, errors.Join(err, db.Close())
}

// content is the digest of a database that is being read.
type content struct {
	cancel context.CancelFunc
	done   chan struct{}
	digest string
	err    error
}

// read begins to read a database that nobody changes.
func (t *task) read(ctx context.Context, name string) *content {
	// Its end is that of the restore, which a context does not stop once it is decided.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &content{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		db, err := sqlite.OpenImmutable(ctx, sqlite.Config{Path: name, CacheDir: t.c.CompileCache, Logger: t.c.Logger})
		if err != nil {
			c.err = err
			return
		}
		err = db.Read(ctx, func(tx *sqlite.Tx) (err error) {
			c.digest, _, err = schema.Digest(tx)
			return err
		})
		c.err = errors.Join(err, db.Close())
	}()
	return c
}

func (c *content) wait() (digest string, err error) {
	<-c.done
	return c.digest, c.err
}

// stop gives up reading. There may be nothing to give up.
func (c *content) stop() {
	if c != nil {
		c.cancel()
		<-c.done
	}
}

// rollBack puts the pre-restore snapshot back after cause. Where it cannot, the
// restore stays pending: the store does not open before Recover, or another
// restore, has succeeded.
func (t *task) rollBack(ctx context.Context, cause error) error {
	const pending = "the restore stays pending, and the store closed, until it can be finished or another snapshot is restored"
	if t.previous == nil {
		return fmt.Errorf("%w; there is no pre-restore snapshot to go back to: %s", cause, pending)
	}
	src := source{dir: t.previous.Path, manifest: t.previous.Manifest}
	j, err := t.p.decide(ctx, src, t.previous.Stamp, nil)
	if err == nil {
		err = t.p.carryOut(ctx, j)
	}
	if err != nil {
		return fmt.Errorf("%w; putting back the pre-restore snapshot %s failed as well, %s: %w", cause, t.previous.Stamp, pending, err)
	}
	t.report.RolledBack = true
	return fmt.Errorf("%w; what was there before has been put back", cause)
}

// carryOut does what the journal says, reads it back and ends the restore.
func (p *place) carryOut(ctx context.Context, j *journal) error {
	if _, err := p.redo(ctx, j, nil); err != nil {
		return err
	}
	findings, err := p.compare(ctx, j, nil)
	if err != nil {
		return err
	}
	if len(findings) > 0 {
		f := findings[0]
		return fmt.Errorf("%w: %s of %s: expected %s, found %s", ErrFailed, f.Code, f.Path, f.Expected, f.Found)
	}
	return p.finish()
}

// fileError classifies what the system answered.
func (p *place) fileError(err error) error {
	var classified *sqlite.Error
	var path *fs.PathError
	var link *os.LinkError
	if errors.As(err, &classified) || !errors.As(err, &path) && !errors.As(err, &link) {
		return err
	}
	return sqlite.FileError("write", p.data, err)
}
