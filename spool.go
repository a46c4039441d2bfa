package atocore

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// The spool is a directory in the data directory with a file for each interaction
// that waits. What cannot be taken in is moved to spoolBad, with a file beside it
// that says why.
const (
	spoolName = "spool"
	spoolBad  = "bad"
	spoolExt  = ".json"

	maxSpooled      = 10_000
	maxSpooledBytes = 64 << 20 // two texts of MaxInteractionBytes, every character escaped
)

// A Spooled is an interaction that waits for the store to be free.
type Spooled struct {
	Interaction Interaction `json:"interaction"`
	Workspace   *Workspace  `json:"workspace,omitempty"` // whose project it belongs to, where Interaction.Project is empty
}

// Spool keeps an interaction, cleaned, in the data directory dir without opening the
// store, and whether or not there is one yet. When it returns without an error the
// interaction is on the disk, and Drain takes it in later, once. Interaction.Actor
// is who is journaled for it then. An interaction that is trivial is the caller's to
// leave out.
//
// It fails with ErrInvalid where the store would not take the interaction, with
// ErrForeign where dir is not a data directory and does not look as if it could
// become one, and with ErrFull where 10,000 wait already.
func Spool(ctx context.Context, dir string, sp Spooled) error {
	i := sp.Interaction.Clean()
	if i.CreatedAt.IsZero() {
		i.CreatedAt = time.Now()
	}
	i.CreatedAt = storedTime(i.CreatedAt)
	if err := i.validate(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if i.Turn == "" {
		// By its turn it is known to have been taken in.
		i.Turn = "spooled-" + strings.ToLower(rand.Text())
	}
	sp.Interaction = i
	if sp.Workspace != nil {
		w := sp.Workspace.clean()
		sp.Workspace = &w
	}
	src, err := json.Marshal(sp)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	spool, err := SubDir(dir, spoolName)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if n, err := countSpooled(spool); err != nil || n >= maxSpooled {
		return fmt.Errorf("spool: %w", cmp.Or(err, fmt.Errorf("%d interactions wait in %s already: %w", n, spool, ErrFull)))
	}
	sum := sha256.New()
	for _, s := range []string{i.Client, i.Session, i.Turn} {
		fmt.Fprintf(sum, "%d:%s", len(s), s)
	}
	name := time.Now().UTC().Format("20060102T150405.000000Z") + "-" + hex.EncodeToString(sum.Sum(nil)[:8]) + spoolExt
	if err := placeFile(spool, name, src); err != nil {
		return fmt.Errorf("spool: %w", sqlite.FileError("write", filepath.Join(spool, name), err))
	}
	return nil
}

// placeFile makes a file of that name, whole or not at all, and durable.
func placeFile(dir, name string, src []byte) error {
	f, err := os.CreateTemp(dir, unfinished+"*")
	if err != nil {
		return err
	}
	_, err = f.Write(src)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to report
		return err
	}
	return syncDir(dir)
}

// SubDir makes a directory of that name in the data directory dir, for what a
// program keeps beside a store, and dir itself where it is not there, both private.
// It fails with ErrForeign, and makes nothing, in a snapshot, in a directory with
// another program's atocore.db, and in one that has other people's files and no
// store.
func SubDir(dir, name string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	sub := filepath.Join(abs, name)
	if info, err := os.Stat(sub); err == nil && info.IsDir() && !isSnapshot(abs) {
		return sub, nil // made by one who has looked
	}
	if err := checkOwn(abs); err != nil {
		return "", err
	}
	if err := os.MkdirAll(sub, 0o700); err != nil {
		return "", sqlite.FileError("create directory", sub, err)
	}
	return sub, errors.Join(syncDir(abs), syncDir(filepath.Dir(abs)))
}

// checkOwn fails where a directory is not a data directory and not about to be one.
func checkOwn(dir string) error {
	foreign := func(why string) error { return fmt.Errorf("%s %s: %w", dir, why, ErrForeign) }
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return sqlite.FileError("open directory", dir, err)
	}
	defer d.Close()
	if info, err := d.Stat(); err != nil || !info.IsDir() {
		return foreign("is not a directory")
	}
	if isSnapshot(dir) {
		return foreign("is a snapshot")
	}
	switch ours, err := isOurs(filepath.Join(dir, databaseName)); {
	case err == nil && !ours:
		return foreign("has another program's " + databaseName)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return sqlite.FileError("open", filepath.Join(dir, databaseName), err)
	}
	names, err := d.Readdirnames(1000)
	if err != nil && !errors.Is(err, io.EOF) {
		return sqlite.FileError("list", dir, err)
	}
	for _, n := range names {
		switch {
		case n == lockName, n == filesName, n == "backups", n == spoolName, n == "hooks", n == "lost+found", n[0] == '.', strings.HasPrefix(n, "atocore"):
		default:
			return foreign("is not empty, and has no store")
		}
	}
	return nil
}

// isOurs looks at the head of a database file. One that says nothing yet may be a
// store that is being made.
func isOurs(name string) (bool, error) {
	info, err := os.Stat(name)
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var head [100]byte
	switch n, err := io.ReadFull(f, head[:]); {
	case n == 0 && err == io.EOF:
		return true, nil
	case err != nil || string(head[:16]) != "SQLite format 3\x00":
		return false, nil
	}
	id := binary.BigEndian.Uint32(head[68:])
	return id == 0 || id == uint32(schema.ApplicationID), nil
}

// spooledNames lists what waits, oldest first.
func spooledNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // by name, which begins with the time
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), spoolExt) && !strings.HasPrefix(e.Name(), ".") && e.Type().IsRegular() {
			out = append(out, e.Name())
		}
	}
	return out, err
}

func countSpooled(dir string) (int, error) {
	names, err := spooledNames(dir)
	return len(names), err
}

// A DrainReport says what Drain did.
type DrainReport struct {
	Drained int `json:"drained"`
	Known   int `json:"known"`   // had been taken in before
	Skipped int `json:"skipped"` // not worth keeping, after all
	Bad     int `json:"bad"`     // made no sense, and were moved to spool/bad
	Left    int `json:"left"`    // could not be taken in, and wait on
}

// Drain takes in what Spool has kept, each as Learn does, oldest first, and removes
// it from the spool. Several processes may do so at once, and one may be killed at
// any instant: each interaction is taken in once. A project that is named and not
// there is added, and one that is not named is found or added by the workspace. What
// makes no sense is moved aside, with the reason, so that it holds up nothing.
//
// It stops at the first interaction that the store cannot take in at present, with
// ErrBusy, ErrFull or the context's error, and the report says what was done until
// then.
func (s *Store) Drain(ctx context.Context) (DrainReport, error) {
	var report DrainReport
	dir := filepath.Join(s.dir, spoolName)
	names, err := spooledNames(dir)
	if err != nil {
		return report, fmt.Errorf("drain: %w", sqlite.FileError("list", dir, err))
	}
	if len(names) == 0 {
		return report, nil
	}
	for n, name := range names {
		if err := s.takeIn(ctx, dir, name, &report); err != nil {
			report.Left += len(names) - n
			return report, fmt.Errorf("drain: %w", err)
		}
	}
	s.sweepSpool(dir)
	// What is gone from the spool must not be there again after a loss of power,
	// where it has been forgotten meanwhile.
	if err := syncDir(dir); err != nil {
		return report, fmt.Errorf("drain: %w", sqlite.FileError("sync", dir, err))
	}
	return report, nil
}

// takeIn takes in one file of the spool. Its error says that there is no use in
// going on.
func (s *Store) takeIn(ctx context.Context, dir, name string, report *DrainReport) error {
	file := filepath.Join(dir, name)
	sp, err := readSpooled(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // somebody else has taken it in
	case errors.Is(err, ErrInvalid):
		return s.setAside(dir, name, err, report)
	case err != nil: // it alone cannot be read: the others need not wait for it
		s.log.Warn("what was spooled cannot be read", "file", name, "error", err)
		report.Left++
		return nil
	}
	if sp.Interaction.Actor != "" {
		ctx = WithActor(ctx, sp.Interaction.Actor)
	}
	if sp.Interaction.Project, err = s.spooledProject(ctx, sp); err == nil {
		var learnt Learnt
		if learnt, err = s.Learn(ctx, sp.Interaction); err == nil {
			switch {
			case learnt.Known:
				report.Known++
			case learnt.Skipped != "":
				report.Skipped++
			default:
				report.Drained++
			}
		}
	}
	if errors.Is(err, ErrInvalid) {
		return s.setAside(dir, name, err, report)
	}
	if err != nil {
		return err
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return sqlite.FileError("remove", file, err)
	}
	return nil
}

func readSpooled(file string) (Spooled, error) {
	f, err := os.Open(file)
	if err != nil {
		return Spooled{}, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxSpooledBytes+1))
	if err != nil {
		return Spooled{}, err
	}
	if len(src) > maxSpooledBytes {
		return Spooled{}, invalid("file", fmt.Sprintf("is longer than %d bytes", maxSpooledBytes), "")
	}
	var sp Spooled
	if err := json.Unmarshal(src, &sp); err != nil {
		return Spooled{}, invalid("file", err.Error(), "")
	}
	if sp.Interaction.Turn == "" {
		// Not written by Spool, and so that it is not taken in twice:
		sum := sha256.Sum256(src)
		sp.Interaction.Turn = "spooled-" + hex.EncodeToString(sum[:16])
	}
	actor := sp.Interaction.Actor
	err = firstError(sp.Interaction.validate(), checkName("actor", actor))
	return sp, err
}

// spooledProject resolves the project of an interaction, and adds the one that is
// not there yet.
func (s *Store) spooledProject(ctx context.Context, sp Spooled) (string, error) {
	if name := sp.Interaction.Project; name != "" {
		p, err := s.Project(ctx, name)
		if errors.Is(err, ErrNotFound) {
			p, err = s.AddProject(ctx, Project{Name: name})
		}
		if errors.Is(err, ErrConflict) { // it was added at this moment
			p, err = s.Project(ctx, name)
		}
		return p.Name, err
	}
	if sp.Workspace == nil {
		return "", nil
	}
	p, err := s.AddWorkspaceProject(ctx, *sp.Workspace)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return p.Name, err
}

// setAside moves a file that makes no sense out of the way, the reason first.
func (s *Store) setAside(dir, name string, reason error, report *DrainReport) error {
	s.log.Warn("what was spooled cannot be taken in, and is put aside", "file", name, "error", reason)
	bad := filepath.Join(dir, spoolBad)
	err := os.MkdirAll(bad, 0o700)
	if err == nil {
		err = placeFile(bad, strings.TrimSuffix(name, spoolExt)+".reason", []byte(reason.Error()+"\n"))
	}
	if err == nil {
		err = os.Rename(filepath.Join(dir, name), filepath.Join(bad, name))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // somebody else has
	}
	if err == nil {
		report.Bad++
		err = syncDir(bad)
	}
	if err != nil {
		return sqlite.FileError("put aside", filepath.Join(dir, name), err)
	}
	return nil
}

// sweepSpool removes what was never finished.
func (s *Store) sweepSpool(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), unfinished) })
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > abandonedAfter {
			_ = os.Remove(filepath.Join(dir, e.Name())) // or the next time
		}
	}
}
