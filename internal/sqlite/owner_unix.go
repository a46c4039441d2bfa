//go:build unix

package sqlite

import (
	"os"
	"syscall"
)

// adopt gives what the superuser's connections have made beside the database to
// the database's owner. A service that runs as that owner could not open its own
// store otherwise, once somebody has looked at it as root. What cannot be given
// away, on a file system without owners, stays.
func (db *DB) adopt() {
	if os.Geteuid() != 0 {
		return
	}
	info, err := os.Stat(db.path)
	if err != nil {
		return
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	for _, name := range []string{db.path + "-wal", db.path + "-shm", db.cfg.LockPath} {
		info, err := os.Lstat(name)
		if err != nil {
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 || st.Uid == owner.Uid {
			continue // it is somebody's, or nobody else's
		}
		if err := os.Lchown(name, int(owner.Uid), int(owner.Gid)); err != nil {
			db.log.Debug("owner not given", "path", name, "err", err)
		}
	}
}
