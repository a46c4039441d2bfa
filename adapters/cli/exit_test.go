package cli_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/cli"
)

// sentinels is every exported error variable of the library and what a script
// sees of it.
var sentinels = map[string]struct {
	err  error
	code string
	exit int
}{
	"ErrInvalid":       {atocore.ErrInvalid, "invalid", 2},
	"ErrNotFound":      {atocore.ErrNotFound, "not_found", 3},
	"ErrConflict":      {atocore.ErrConflict, "conflict", 1},
	"ErrSpaceMismatch": {atocore.ErrSpaceMismatch, "space_mismatch", 1},
	"ErrClosed":        {atocore.ErrClosed, "closed", 1},
	"ErrBusy":          {atocore.ErrBusy, "busy", 5},
	"ErrInUse":         {atocore.ErrInUse, "in_use", 5},
	"ErrNewer":         {atocore.ErrNewer, "newer", 1},
	"ErrForeign":       {atocore.ErrForeign, "foreign", 1},
	"ErrCorrupt":       {atocore.ErrCorrupt, "corrupt", 1},
	"ErrFull":          {atocore.ErrFull, "full", 1},
	"ErrReadOnly":      {atocore.ErrReadOnly, "read_only", 1},
	"ErrUnsound":       {atocore.ErrUnsound, "unsound", 4},
}

func TestExitCodes(t *testing.T) {
	for name, want := range sentinels {
		for _, err := range []error{want.err, fmt.Errorf("open store: %w", want.err)} {
			if code, exit := cli.Classify(err); code != want.code || exit != want.exit {
				t.Errorf("%s (%v): %s, exit %d; want %s, exit %d", name, err, code, exit, want.code, want.exit)
			}
		}
	}
	for _, test := range []struct {
		err  error
		code string
		exit int
	}{
		{nil, "", 0},
		{errors.New("whatever"), "failed", 1},
		{cli.Usage(), "usage", 2},
		{cli.ErrFaults, "faults", 4},
		{&atocore.InvalidError{Field: "type"}, "invalid", 2},
		{&atocore.NotFoundError{Kind: "memory"}, "not_found", 3},
		{&atocore.SpaceError{}, "space_mismatch", 1},
		{context.Canceled, "canceled", 1},
		{errors.Join(context.DeadlineExceeded, atocore.ErrBusy), "busy", 5},
	} {
		if code, exit := cli.Classify(test.err); code != test.code || exit != test.exit {
			t.Errorf("%v: %s, exit %d; want %s, exit %d", test.err, code, exit, test.code, test.exit)
		}
	}
}

// TestExitCodesComplete finds the library's sentinels in its source, so that a
// new one cannot be left out of the table.
func TestExitCodesComplete(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				for _, id := range spec.(*ast.ValueSpec).Names {
					if !strings.HasPrefix(id.Name, "Err") {
						continue
					}
					found++
					if _, ok := sentinels[id.Name]; !ok {
						t.Errorf("%s: %s has no exit code in this test's table", name, id.Name)
					}
				}
			}
		}
	}
	if found != len(sentinels) {
		t.Errorf("found %d sentinels, the table has %d", found, len(sentinels))
	}
}
