package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/atocore/atocore/internal/sqlite"
)

// A Snapshot is one that is in the directory of the snapshots.
type Snapshot struct {
	Stamp    string       `json:"stamp"`
	Path     string       `json:"path"`
	Bytes    int64        `json:"bytes"`             // of all its files
	Manifest *Manifest    `json:"manifest"`          // nil if it cannot be read
	Problem  string       `json:"problem,omitempty"` // why it cannot be read
	Check    *CheckRecord `json:"check,omitempty"`   // of the last check of a snapshot with this manifest; nil if there was none
}

// Sound reports whether nothing is known against the snapshot. That it is proven
// good, only [Validate] can say.
func (s Snapshot) Sound() bool {
	return s.Manifest != nil && s.Manifest.Kind == KindStore && len(s.Manifest.Damaged) == 0 &&
		(s.Check == nil || s.Check.OK)
}

func (s Snapshot) isPreRestore() bool {
	return s.Manifest != nil && s.Manifest.Origin == OriginPreRestore
}

// List gives the snapshots, newest first. Those that cannot be read are listed
// too, with their Problem; what is being built is not. A directory that does not
// exist has none.
func List(ctx context.Context, c Config) ([]Snapshot, error) {
	stamps, err := c.stamps()
	if err != nil {
		return nil, err
	}
	all := make([]Snapshot, 0, len(stamps))
	for _, stamp := range stamps {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("list snapshots: %w", err)
		}
		s := c.load(stamp)
		if s.Manifest == nil && !exists(s.Path) {
			continue // it has just been removed
		}
		all = append(all, s)
	}
	return all, nil
}

// Find gives the snapshot with the stamp, or for [Latest] the newest that is not
// a pre-restore snapshot, whatever is known against it. The error is [ErrNotFound], or [ErrInvalid] for
// what cannot be a stamp.
func Find(ctx context.Context, c Config, stamp string) (Snapshot, error) {
	if stamp != Latest && !IsStamp(stamp) {
		return Snapshot{}, fmt.Errorf("%w: snapshot %.80q: want %s or a stamp such as 20260409T131321Z", ErrInvalid, stamp, Latest)
	}
	stamps, err := c.stamps()
	if err != nil {
		return Snapshot{}, err
	}
	if stamp == Latest {
		for _, stamp := range stamps {
			if s := c.load(stamp); !s.isPreRestore() {
				return s, ctx.Err()
			}
		}
	}
	if !slices.Contains(stamps, stamp) {
		return Snapshot{}, fmt.Errorf("snapshot %s in %s: %w", stamp, c.Dir(), ErrNotFound)
	}
	return c.load(stamp), ctx.Err()
}

// stamps lists the snapshots that are there, newest first. A link is none.
func (c Config) stamps() ([]string, error) {
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	entries, err := os.ReadDir(c.Dir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, sqlite.FileError("list snapshots", c.Dir(), err)
	}
	var stamps []string
	for _, e := range entries {
		if e.IsDir() && IsStamp(e.Name()) {
			stamps = append(stamps, e.Name())
		}
	}
	slices.SortFunc(stamps, func(a, b string) int { return strings.Compare(b, a) })
	return stamps, nil
}

// load reads what there is to know about a snapshot without examining it.
func (c Config) load(stamp string) Snapshot {
	s := Snapshot{Stamp: stamp, Path: filepath.Join(c.Dir(), stamp)}
	m, sum, err := ReadManifest(s.Path)
	if err != nil {
		s.Problem = err.Error()
		s.Bytes = sizeOf(s.Path)
		return s
	}
	s.Manifest = &m
	s.Bytes = m.bytes()
	if info, err := os.Lstat(filepath.Join(s.Path, ManifestName)); err == nil {
		s.Bytes += info.Size()
	}
	if r := c.readRecord(stamp); r != nil && r.Manifest == sum {
		s.Check = r
	}
	return s
}

// sizeOf adds up the plain files below dir, as far as it can.
func sizeOf(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a size is better than none
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}
