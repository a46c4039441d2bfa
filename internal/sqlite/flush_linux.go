package sqlite

import (
	"os"

	"golang.org/x/sys/unix"
)

// flush has the system begin to write a part of the file, and waits for the part
// before it, so that only little is ever left to write. It makes nothing durable,
// and an error is left to the sync that does.
func flush(f *os.File, at, size int64) {
	fd := int(f.Fd())
	_ = unix.SyncFileRange(fd, at, size, unix.SYNC_FILE_RANGE_WRITE)
	if before := at - size; before >= 0 {
		_ = unix.SyncFileRange(fd, before, size, unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
	}
}
