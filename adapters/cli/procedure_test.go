package cli_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/docs"
	"github.com/atocore/atocore/restore"
)

// TestProcedureCodes holds the tables of docs/backup-restore-procedure.md against
// the codes of findings, the fields of reports and the exit codes that there are:
// each has a row with all its cells, and no row is of something else.
func TestProcedureCodes(t *testing.T) {
	page, err := fs.ReadFile(docs.Pages(), "backup-restore-procedure.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, s := range strings.Split(string(page), "\n#") {
		heading, body, _ := strings.Cut(strings.TrimLeft(s, "#"), "\n")
		sections[strings.TrimSpace(heading)] = body
	}
	tests := []struct {
		section string
		want    []string
		cells   int // that may not be empty, from the first
	}{
		{"Of a snapshot", backup.Codes(), 4},
		{"Of a restored store", restore.Codes(), 4},
		{"Of a drill", drillCodes(t), 4},
		{"`backup create` and `list`", snapshotNames(t), 1},
		{"`backup validate`", jsonNames(reflect.TypeFor[atocore.ValidateReport]()), 1},
		{"`backup restore` and `undo-restore`", jsonNames(reflect.TypeFor[atocore.RestoreReport]()), 2},
		{"`backup drill`", jsonNames(reflect.TypeFor[atocore.DrillReport]()), 1},
		{"Exit codes", exitCodes(), 2},
	}
	for _, test := range tests {
		body, ok := sections[test.section]
		if !ok {
			t.Errorf("the page has no section %q", test.section)
			continue
		}
		got := rows(t, test.section, body, test.cells)
		slices.Sort(got)
		slices.Sort(test.want)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-program +page):\n%s", test.section, diff)
		}
	}
}

// rows are the first cells of a table, below its head.
func rows(t *testing.T, section, body string, cells int) (first []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?m)^\\| (?:`([a-z0-9_]+)`|([0-9]+)) \\|(.*)\\|$").FindAllStringSubmatch(body, -1) {
		code := m[1] + m[2]
		first = append(first, code)
		for i, cell := range strings.Split(m[3], "|") {
			if i+2 <= cells && strings.TrimSpace(cell) == "" {
				t.Errorf("%s: %s: cell %d is empty", section, code, i+2)
			}
		}
	}
	return first
}

// jsonNames are the names of a struct's fields in JSON, embedded ones included.
func jsonNames(typ reflect.Type) (names []string) {
	for _, f := range reflect.VisibleFields(typ) {
		if !f.Anonymous {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			names = append(names, name)
		}
	}
	return names
}

// snapshotNames are the names that backup create prints, and the one that is there
// only with a snapshot that cannot be read.
func snapshotNames(t *testing.T) []string {
	t.Helper()
	data := t.TempDir()
	var out bytes.Buffer
	for _, args := range [][]string{{"add", "knowledge", "The boiler is serviced each May."}, {"backup", "create", "--json"}} {
		out.Reset()
		if exit := run(t.Context(), data, nil, &out, io.Discard, args...); exit != 0 {
			t.Fatalf("%q: exit code %d", args, exit)
		}
	}
	var doc map[string]any
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	return append(slices.Collect(maps.Keys(doc)), "problem")
}

func exitCodes() []string {
	codes := []string{"0"}
	for _, s := range sentinels {
		codes = append(codes, strconv.Itoa(s.exit))
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// drillCodes are the keys of the root's table of hints, without which a drill
// makes no finding.
func drillCodes(t *testing.T) (codes []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "drillfinding.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "drillHints" {
			return true
		}
		for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
			code, err := strconv.Unquote(e.(*ast.KeyValueExpr).Key.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, code)
		}
		return false
	})
	if len(codes) == 0 {
		t.Fatal("drillfinding.go has no drillHints: the test looks in the wrong place")
	}
	return codes
}
