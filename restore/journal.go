package restore

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/atocore/atocore/backup"
)

// The names inside the data directory while a restore is going on.
const (
	workName    = "atocore.restore" // everything that a restore keeps beside the store
	journalName = "journal.json"    // in it: the restore is decided
	stagePrefix = "stage-"          // in it: the database's files of one plan

	// stagedPrefix begins the names of originals that wait beside their places. The
	// store takes them for unfinished ones of its own, should they be left behind.
	stagedPrefix = ".new-restore-"
)

// journalFormat is the version of the journal's form.
const journalFormat = 1

// A journal is the plan of a restore. As soon as it is on the disk the restore is
// decided: whoever finds it carries it out, from its start, which can be done any
// number of times.
type journal struct {
	Format   int         `json:"format"`
	Stamp    string      `json:"stamp"`    // the snapshot
	Kind     backup.Kind `json:"kind"`     // of the snapshot
	Previous string      `json:"previous"` // the pre-restore snapshot, if there is one
	Stage    string      `json:"stage"`    // the directory of the database's files

	// Database is atocore.db, and of a raw snapshot what was beside it. What is not
	// listed is removed.
	Database []part `json:"database"`

	// Files is what has to be under files/. Originals that are not listed are
	// removed; what is there besides is not the store's.
	Files []part `json:"files"`
}

// A part is one file to be put in its place.
type part struct {
	Path   string `json:"path"` // as in the manifest
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`

	// Staged is the name of the copy that waits: in the stage, or for an original
	// beside its place. Empty says that the file is in its place already.
	Staged string `json:"staged,omitempty"`
}

// sealed is the journal as it is written.
type sealed struct {
	Plan   json.RawMessage `json:"plan"`
	SHA256 string          `json:"sha256"` // of the bytes of plan
}

// errDamaged reports that what a restore had prepared is no longer what it was.
var errDamaged = errors.New("what the interrupted restore had prepared is damaged")

// Pending reports whether a restore into the data directory was decided and is not
// finished. The store must not be opened then before Recover has run.
func Pending(data string) bool {
	_, err := os.Lstat(filepath.Join(data, workName, journalName))
	return !errors.Is(err, fs.ErrNotExist)
}

// writeJournal replaces the journal. Once it returns nil the restore is decided;
// after an error it may be or not, and readJournal knows.
func (p *place) writeJournal(j *journal) error {
	plan, err := json.Marshal(j)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(plan)
	text, err := json.Marshal(sealed{Plan: plan, SHA256: hex.EncodeToString(sum[:])})
	if err != nil {
		return err
	}
	name := filepath.Join(p.work, journalName)
	if err := p.writeFile(name+".new", append(text, '\n')); err != nil {
		return err
	}
	if err := p.ops.Rename(name+".new", name); err != nil {
		return err
	}
	return p.ops.SyncDir(p.work)
}

// readJournal gives nil where no restore is pending.
func (p *place) readJournal() (*journal, error) {
	name := filepath.Join(p.work, journalName)
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: not a file", name, errDamaged) // a fifo would never end
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var s sealed
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, errDamaged, err)
	}
	if sum := sha256.Sum256(s.Plan); hex.EncodeToString(sum[:]) != s.SHA256 {
		return nil, fmt.Errorf("%s: %w: wrong checksum", name, errDamaged)
	}
	j := new(journal)
	if err := json.Unmarshal(s.Plan, j); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, errDamaged, err)
	}
	if j.Format != journalFormat {
		return nil, fmt.Errorf("%s: written by a version of atocore that keeps it in another form (%d, not %d): let that one finish the restore", name, j.Format, journalFormat)
	}
	if err := j.check(); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, errDamaged, err)
	}
	return j, nil
}

// check sees to it that the journal names nothing but what a restore may touch.
func (j *journal) check() error {
	plain := func(name, prefix string) bool {
		return strings.HasPrefix(name, prefix) && !strings.ContainsAny(name, `/\:`)
	}
	if !plain(j.Stage, stagePrefix) {
		return fmt.Errorf("stage %q", j.Stage)
	}
	for _, f := range j.Database {
		if !slices.Contains(databaseNames(), f.Path) || f.Staged != f.Path {
			return fmt.Errorf("database file %q, staged as %q", f.Path, f.Staged)
		}
	}
	for _, f := range j.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) || !strings.HasPrefix(f.Path, backup.FilesName+"/") ||
			f.Staged != "" && !plain(f.Staged, stagedPrefix) {
			return fmt.Errorf("file %q, staged as %q", f.Path, f.Staged)
		}
	}
	return nil
}

// sideSuffixes end the names of what SQLite keeps beside a database.
var sideSuffixes = [...]string{"-wal", "-shm", "-journal"}

// databaseNames are the database and what SQLite keeps beside it.
func databaseNames() []string {
	names := []string{backup.DatabaseName}
	for _, s := range sideSuffixes {
		names = append(names, backup.DatabaseName+s)
	}
	return names
}

func (j *journal) has(database string) bool {
	return slices.ContainsFunc(j.Database, func(f part) bool { return f.Path == database })
}

// size is that of the database's files, in bytes.
func (j *journal) size() (total int64) {
	for _, f := range j.Database {
		total += f.Size
	}
	return total
}
