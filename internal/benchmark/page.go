package main

import (
	"fmt"
	"os"
	"strings"
)

// The markers between which a page has the table.
const (
	markBegin = "<!-- table: written by internal/benchmark -->\n"
	markEnd   = "<!-- end of table -->\n"
)

// renew writes the table into a page, in the place of the one before.
func renew(name, table string) error {
	page, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	next, err := between(string(page), table)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, []byte(next), info.Mode().Perm())
}

func between(page, table string) (string, error) {
	before, rest, ok := strings.Cut(page, markBegin)
	_, after, ended := strings.Cut(rest, markEnd)
	if !ok || !ended {
		return "", fmt.Errorf("has no lines %q and %q", strings.TrimSpace(markBegin), strings.TrimSpace(markEnd))
	}
	return before + markBegin + "\n" + table + "\n" + markEnd + after, nil
}
