//go:build unix

package backup_test

import (
	"syscall"
	"testing"
)

func makePipe(t *testing.T, name string) bool {
	t.Helper()
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return true
}
