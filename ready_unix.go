//go:build unix

package atocore

import "syscall"

// writable asks the system whether this process may write the file or directory.
func writable(path string) error {
	const mayWrite = 2
	return syscall.Access(path, mayWrite)
}
