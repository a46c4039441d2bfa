package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/atocore/atocore"
)

// listenUnix listens on a socket that only this user can open. A socket that a killed
// service has left is replaced; one that somebody answers at is not, nor is another file.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("serve: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, &atocore.InvalidError{Field: "socket", Reason: fmt.Sprintf("%s is there, and is no socket", path), Hint: "name another path"}
	default:
		conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err == nil {
			return nil, errors.Join(fmt.Errorf("serve: somebody listens at %s already", path), conn.Close())
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("serve: %w", err)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("serve: %w", err)
		}
	}
	// It is made in a directory of its own, so that nobody can open it before it has
	// its mode, and linked into place, which never replaces what is there.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".atocore-")
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	made := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("serve: %w", err), os.RemoveAll(dir))
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(made, 0o600), os.Link(made, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("serve: %w", err), l.Close(), os.RemoveAll(dir))
	}
	info, err = os.Lstat(path)
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
		return nil, errors.Join(fmt.Errorf("serve: %w", err), l.Close())
	}
	return &unixListener{l, path, info}, nil
}

// A unixListener removes its socket when it is closed.
type unixListener struct {
	net.Listener
	path string
	info fs.FileInfo
}

// Addr implements net.Listener, with the path that clients know.
func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close implements net.Listener.
func (l *unixListener) Close() error {
	err := l.Listener.Close()
	if info, statErr := os.Lstat(l.path); statErr == nil && os.SameFile(info, l.info) {
		err = errors.Join(err, os.Remove(l.path))
	}
	return err
}
