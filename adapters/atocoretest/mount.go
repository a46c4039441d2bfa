package atocoretest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// ErrNoMounts reports that this user, or this system, cannot mount. It is a
// sentinel of its own, since operations on files may be unsupported as well, and
// that is for a restore to cope with.
var ErrNoMounts = errors.New("bind mounts are not to be had here")

// mounts restores into every shape of mounts.
func (t *trip) mounts(ctx context.Context) error {
	places := []string{"", "files", filepath.Join("backups", "snapshots"), "atocore.db"}
	shapes := [][]string{places}
	for _, p := range places {
		shapes = append(shapes, []string{p})
	}
	for _, shape := range shapes {
		if err := t.mounted(ctx, shape, places); err != nil {
			return fmt.Errorf("restore where %q are bind mounts: %w", shape, err)
		}
	}
	return nil
}

// mounted restores where shape are mount points, and looks at places.
func (t *trip) mounted(ctx context.Context, shape, places []string) error {
	dir, err := t.copy()
	if err != nil {
		return err
	}
	// A seed without originals leaves no files/; an operator who mounts it has one.
	if err := os.MkdirAll(filepath.Join(dir, "files"), 0o700); err != nil {
		return err
	}
	before, err := stat(dir, places)
	if err != nil {
		return err
	}
	j := job{Data: dir, Stamp: t.stamp, Cache: t.o.Store.CompileCache}
	for _, p := range shape {
		j.Mounts = append(j.Mounts, filepath.Join(dir, p))
	}
	cmd, stderr, err := j.command(ctx)
	if err != nil {
		return err
	}
	if err := ownMounts(cmd); err != nil {
		return err
	}
	switch err := cmd.Run(); {
	case cmd.ProcessState == nil && notAllowed(err):
		return fmt.Errorf("%w: start a process with mounts of its own: %w", ErrNoMounts, err)
	case cmd.ProcessState.ExitCode() == exitNoMounts:
		return fmt.Errorf("%w: %s", ErrNoMounts, stderr)
	case err != nil:
		return fmt.Errorf("%w\n%s", err, stderr)
	}
	if err := t.holdsNew(ctx, dir); err != nil {
		return err
	}
	after, err := stat(dir, places)
	if err != nil {
		return err
	}
	for i, p := range places {
		if slices.Contains(shape, p) && !os.SameFile(before[i], after[i]) {
			return fmt.Errorf("%s is another file than before: a process or container that has it mounted still sees the old one", filepath.Join(dir, p))
		}
	}
	return os.RemoveAll(dir)
}

func stat(dir string, places []string) ([]os.FileInfo, error) {
	infos := make([]os.FileInfo, len(places))
	for i, p := range places {
		info, err := os.Stat(filepath.Join(dir, p))
		if err != nil {
			return nil, err
		}
		infos[i] = info
	}
	return infos, nil
}
