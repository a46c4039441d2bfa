package backup_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/backup"
)

// Where snapshots would be destroyed, or become part of others, there are none.
func TestBadPlaces(t *testing.T) {
	c, _ := newStore(t, 1)
	inside := create(t, c, backup.CreateOptions{NoCheck: true}).Path
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(c.Data, link); err != nil {
		t.Fatal(err)
	}
	before := tree(t, filepath.Dir(c.Data))
	for name, place := range map[string]struct{ dir, says string }{
		"restore's":             {filepath.Join(c.Data, backup.RestoreName), "restore empties"},
		"below restore's":       {filepath.Join(c.Data, backup.RestoreName, "a", "b"), "restore empties"},
		"restore's, by a link":  {filepath.Join(link, backup.RestoreName, "a"), "restore empties"},
		"originals":             {filepath.Join(c.Data, backup.FilesName), "originals"},
		"below originals":       {filepath.Join(c.Data, backup.FilesName, "snapshots"), "originals"},
		"originals, by a link":  {filepath.Join(link, backup.FilesName, "snapshots"), "originals"},
		"originals, in circles": {filepath.Join(c.Data, "backups", "..", backup.FilesName), "originals"},
		"a snapshot":            {inside, "is a snapshot"},
		"in a snapshot":         {filepath.Join(inside, "backups", "snapshots"), "is a snapshot"},
	} {
		t.Run(name, func(t *testing.T) {
			c := c
			c.Snapshots = place.dir
			for what, do := range map[string]func(context.Context) error{
				"check":  func(context.Context) error { return c.Check() },
				"create": func(ctx context.Context) error { _, err := backup.Create(ctx, c, backup.CreateOptions{}); return err },
				"list":   func(ctx context.Context) error { _, err := backup.List(ctx, c); return err },
				"find":   func(ctx context.Context) error { _, err := backup.Find(ctx, c, backup.Latest); return err },
				"validate": func(ctx context.Context) error {
					_, err := backup.Validate(ctx, c, backup.Latest, backup.ValidateOptions{})
					return err
				},
				"prune": func(ctx context.Context) error {
					_, err := backup.Prune(ctx, c, backup.Policy{KeepLast: 1}, backup.PruneOptions{})
					return err
				},
			} {
				if err := do(t.Context()); !errors.Is(err, backup.ErrInvalid) || !strings.Contains(err.Error(), place.says) {
					t.Errorf("%s: got %v", what, err)
				}
			}
		})
	}
	if d := cmp.Diff(before, tree(t, filepath.Dir(c.Data))); d != "" {
		t.Errorf("something was made:\n%s", d)
	}
}

// Names that only look alike are no reason to refuse, nor is a manifest.json that
// somebody keeps beside the store.
func TestGoodPlaces(t *testing.T) {
	c, _ := newStore(t, 1)
	writeFile(t, filepath.Join(c.Data, backup.ManifestName), "{}")
	for _, dir := range []string{
		"", c.Data, filepath.Join(c.Data, backup.FilesName+"2"), filepath.Join(c.Data, backup.RestoreName+"d"),
		filepath.Join(c.Data, "..files"), filepath.Join(c.Data, "new", backup.FilesName), filepath.Dir(c.Data),
	} {
		c.Snapshots = dir
		create(t, c, backup.CreateOptions{NoCheck: true})
	}
}
