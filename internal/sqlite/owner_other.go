//go:build !unix

package sqlite

func (*DB) adopt() {}
