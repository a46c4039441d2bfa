package backup

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Check refuses, as [ErrInvalid], a directory of the snapshots in which they would
// be destroyed, or become part of what they are copies of. It is for callers who
// are about to change something; the functions of this package do it themselves.
func (c Config) Check() error {
	dir, data := resolve(c.Dir()), resolve(c.Data)
	refuse := func(where, why string) error {
		return fmt.Errorf("%w: directory of the snapshots %s: it is in %s, %s: choose one elsewhere, such as %s",
			ErrInvalid, c.Dir(), where, why, filepath.Join(c.Data, "backups", "snapshots"))
	}
	if at := resolve(filepath.Join(c.Data, RestoreName)); below(at, dir) {
		return refuse(at, "which every restore empties")
	}
	if at := resolve(filepath.Join(c.Data, FilesName)); below(at, dir) {
		return refuse(at, "which holds the store's originals only: a restore removes what else it finds, and a snapshot may copy it")
	}
	for at := dir; ; at = filepath.Dir(at) {
		// A store may have a file of that name beside it.
		if at != data && exists(filepath.Join(at, ManifestName)) && exists(filepath.Join(at, DatabaseName)) {
			return refuse(at, "which is a snapshot and must not be added to")
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// resolve makes a path absolute and follows symbolic links, as far as there is
// something at the path.
func resolve(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		name = abs
	}
	if target, err := filepath.EvalSymlinks(name); err == nil {
		return target
	}
	parent := filepath.Dir(name)
	if parent == name {
		return name
	}
	return filepath.Join(resolve(parent), filepath.Base(name))
}

// below reports whether name is dir or something in it. Both are resolved.
func below(dir, name string) bool {
	rel, err := filepath.Rel(dir, name)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
