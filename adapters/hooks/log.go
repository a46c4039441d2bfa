package hooks

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/atocore/atocore"
)

// The files that hooks keep beside a store.
const (
	dirName = "hooks"
	logName = "hook.log"
	oldLog  = "hook.log.1"

	maxLog = 1 << 20
)

// A logFile is the log of all hooks. It is made with the first line, and where it
// cannot be, there is none. It never grows much beyond maxLog: then it becomes the
// old one, of which there is one.
type logFile struct {
	dir string // data directory
	f   *os.File
	off bool
}

// Write implements io.Writer for slog, which writes a line at once. A name or a path
// that the agent has told may have a secret in it.
func (l *logFile) Write(p []byte) (int, error) {
	if l.f == nil && !l.off {
		l.off = l.open() != nil
	}
	if l.f == nil {
		return len(p), nil
	}
	line := atocore.Interaction{Client: string(p)}.Clean().Client
	if _, err := l.f.WriteString(line); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (l *logFile) open() error {
	dir, err := atocore.SubDir(l.dir, dirName)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, logName)
	switch info, err := os.Lstat(name); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fs.ErrInvalid
	case info.Size() > maxLog:
		if err := os.Rename(name, filepath.Join(dir, oldLog)); err != nil {
			return err
		}
	}
	l.f, err = os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return err
}

func (l *logFile) close() {
	if l.f != nil {
		_ = l.f.Close() // a log that is not whole is no reason to fail
	}
}
