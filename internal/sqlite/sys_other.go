//go:build !linux && !darwin && !windows

package sqlite

import "io/fs"

func isFull(error) bool               { return false }
func isReadOnly(error) bool           { return false }
func noSpace(string) bool             { return false }
func othersMayWrite(fs.FileInfo) bool { return true }
