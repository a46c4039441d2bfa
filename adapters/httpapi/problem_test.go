package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/httpapi"
)

// sentinels is every exported error variable of the library and what a client sees of it.
var sentinels = map[string]struct {
	err    error
	code   string
	status int
}{
	"ErrInvalid":       {atocore.ErrInvalid, "invalid", 422},
	"ErrNotFound":      {atocore.ErrNotFound, "not_found", 404},
	"ErrConflict":      {atocore.ErrConflict, "conflict", 409},
	"ErrSpaceMismatch": {atocore.ErrSpaceMismatch, "space_mismatch", 409},
	"ErrClosed":        {atocore.ErrClosed, "closed", 503},
	"ErrBusy":          {atocore.ErrBusy, "busy", 503},
	"ErrInUse":         {atocore.ErrInUse, "in_use", 503},
	"ErrNewer":         {atocore.ErrNewer, "newer", 503},
	"ErrForeign":       {atocore.ErrForeign, "foreign", 503},
	"ErrCorrupt":       {atocore.ErrCorrupt, "corrupt", 503},
	"ErrFull":          {atocore.ErrFull, "full", 507},
	"ErrReadOnly":      {atocore.ErrReadOnly, "read_only", 503},
	"ErrUnsound":       {atocore.ErrUnsound, "unsound", 409},
}

func TestClasses(t *testing.T) {
	for name, want := range sentinels {
		for _, err := range []error{want.err, fmt.Errorf("open store: %w", want.err)} {
			if code, status := httpapi.StatusOf(err); code != want.code || status != want.status {
				t.Errorf("%s (%v): %s, %d; want %s, %d", name, err, code, status, want.code, want.status)
			}
			if code := atocore.ErrorCode(err); code != want.code {
				t.Errorf("%s: the library's code is %s", name, code)
			}
		}
	}
	for _, test := range []struct {
		err    error
		code   string
		status int
	}{
		{errors.New("whatever"), "failed", 500},
		{&atocore.InvalidError{Field: "type"}, "invalid", 422},
		{&atocore.NotFoundError{Kind: "memory"}, "not_found", 404},
		{&atocore.SpaceError{}, "space_mismatch", 409},
		{context.Canceled, "canceled", 499},
		{context.DeadlineExceeded, "timeout", 504},
		{errors.Join(context.DeadlineExceeded, atocore.ErrBusy), "busy", 503},
	} {
		if code, status := httpapi.StatusOf(test.err); code != test.code || status != test.status {
			t.Errorf("%v: %s, %d; want %s, %d", test.err, code, status, test.code, test.status)
		}
	}
}

// TestClassesComplete finds the library's sentinels in its source, so that a new one
// cannot be left out of the table.
func TestClassesComplete(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != gotoken.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				for _, id := range spec.(*ast.ValueSpec).Names {
					if !strings.HasPrefix(id.Name, "Err") {
						continue
					}
					found++
					if _, ok := sentinels[id.Name]; !ok {
						t.Errorf("%s: %s has no status in this test's table", name, id.Name)
					}
				}
			}
		}
	}
	if found != len(sentinels) {
		t.Errorf("found %d sentinels, the table has %d", found, len(sentinels))
	}
}
