package backup

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/atocore/atocore/internal/owner"
)

// A CheckRecord keeps the outcome of a check. It stands beside the snapshots, as
// .checks/<stamp>.json, since a snapshot is never written to. It counts only for
// the manifest that it names, and so, as the manifest has the hash of every file,
// only for the very bytes that were checked.
type CheckRecord struct {
	Stamp    string    `json:"stamp"`
	Manifest string    `json:"manifest_sha256"` // the manifest's own checksum
	Checks   int       `json:"checks"`          // version of the checks that were made
	OK       bool      `json:"ok"`
	Findings []Finding `json:"findings"`
	Version  string    `json:"version"` // of the program
	At       time.Time `json:"at"`
}

const (
	// checksVersion counts up when a check looks at more than before: what an
	// older one passed is then examined again.
	checksVersion = 1

	maxRecord        = 4 << 20 // bytes
	unfinishedRecord = ".new-"
)

func (c Config) recordName(stamp string) string {
	return filepath.Join(c.Dir(), checksName, stamp+".json")
}

// vouches reports whether the record says that the snapshot with this manifest has
// passed all that would be checked now.
func (r *CheckRecord) vouches(sum string) bool {
	return r != nil && r.OK && r.Manifest == sum && r.Checks >= checksVersion
}

// readRecord gives the record, or nil: it only saves work.
func (c Config) readRecord(stamp string) *CheckRecord {
	name := c.recordName(stamp)
	if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	var r CheckRecord
	if json.NewDecoder(io.LimitReader(f, maxRecord)).Decode(&r) != nil || r.Stamp != stamp {
		return nil
	}
	return &r
}

// writeRecord writes the record whole or not at all.
func (c Config) writeRecord(r CheckRecord) (err error) {
	dir := filepath.Join(c.Dir(), checksName)
	if err := makeDir(dir); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, unfinishedRecord+"*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = owner.Adopt(f.Name())
	}
	if err == nil {
		err = os.Rename(f.Name(), c.recordName(r.Stamp))
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to report
		return err
	}
	return syncDir(dir)
}
