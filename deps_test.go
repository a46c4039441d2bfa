package atocore_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/atocore/atocore"

// A layer says what a package may import, beside the standard library.
// Packages of this module are written relative to it, "." being the root; a
// pattern that ends in "/..." covers a directory and everything below.
type layer struct {
	packages string   // which packages the rule is for; the first match rules
	internal []string // packages of this module
	external []string // modules, as in go.mod
	tests    []string // what its tests may import besides: packages and modules
}

// layers is the design's arrow, cmd → adapters → root → backup, restore →
// internal, spelled out. A package that is not here fails the test: whoever
// adds one decides where it belongs. internal/sqlite alone knows the driver,
// so that one package changes the day the driver does.
var layers = []layer{
	{packages: "cmd/...", internal: []string{"adapters/..."}},
	{packages: "examples/deploy", tests: []string{"go.yaml.in/yaml/v3", "golang.org/x/sys"}}, // files for operators, and their tests
	{packages: "examples/...", internal: []string{".", "adapters/..."}},
	{packages: "internal/evaltable", internal: []string{".", "adapters/embedders", "adapters/evaluation"}}, // a program: it stands where cmd does
	{packages: "adapters/periodic", internal: []string{".", "adapters/wire"}, tests: []string{"adapters/atocoretest"}},
	{packages: "adapters/wire", internal: []string{"."}},
	{
		packages: "adapters/httpapi",
		internal: []string{".", "adapters/wire"},
		external: []string{"github.com/danielgtaylor/huma/v2", "github.com/prometheus/client_golang"},
		tests:    []string{"golang.org/x/sys"},
	},
	{packages: "adapters/evaluation", internal: []string{"."}, tests: []string{"adapters/atocoretest"}},
	{
		packages: "adapters/cli",
		internal: []string{".", "adapters/embedders", "adapters/evaluation", "adapters/hooks", "adapters/httpapi", "adapters/importers", "adapters/mcpserver", "adapters/periodic", "adapters/wire", "docs"},
		external: []string{"github.com/alecthomas/kong", "github.com/schollz/progressbar/v3", "go.yaml.in/yaml/v3", "golang.org/x/term"},
		tests:    []string{"backup", "restore", "github.com/modelcontextprotocol/go-sdk", "github.com/rogpeppe/go-internal", "golang.org/x/sys"}, // their codes stand in docs
	},
	{
		// For the tests of programs: like them it uses the root, and restore for
		// the file operations that are to fail. go-cmp prints what was lost, which
		// is the result that this package exists for.
		packages: "adapters/atocoretest",
		internal: []string{".", "restore"},
		external: []string{"github.com/google/go-cmp"},
	},
	{
		packages: "adapters/mcpserver",
		internal: []string{".", "adapters/wire"},
		external: []string{"github.com/google/jsonschema-go", "github.com/modelcontextprotocol/go-sdk"},
		tests:    []string{"adapters/atocoretest"},
	},
	{packages: "adapters/embedders", internal: []string{".", "adapters/embedders/..."}, tests: []string{"docs", "adapters/atocoretest"}},
	{packages: "adapters/hooks", internal: []string{"."}, external: []string{"github.com/rogpeppe/go-internal"}, tests: []string{"adapters/atocoretest"}}, // its diff
	{packages: "adapters/embedders/openai", internal: []string{"."}, tests: []string{"adapters/atocoretest"}},
	{packages: "adapters/embedders/cached", internal: []string{"."}, tests: []string{"adapters/atocoretest"}},
	{
		packages: "adapters/embedders/static",
		internal: []string{".", "adapters/embedders/static/internal/..."},
		external: []string{"golang.org/x/sys"},
		tests:    []string{"adapters/atocoretest"},
	},
	{packages: "adapters/embedders/static/internal/safetensors"},
	{packages: "adapters/embedders/static/internal/tokenizer", external: []string{"github.com/rivo/uniseg", "golang.org/x/text"}},
	{
		// Other programs' databases are no business of the root's, nor is the syntax of
		// notes; who knows the driver, and Markdown, is internal all the same.
		packages: "adapters/importers",
		internal: []string{".", "internal/foreign", "internal/markdown"},
		tests:    []string{"adapters/atocoretest", "internal/sqlite"}, // to make databases that lag, lie or are damaged
	},
	{packages: "docs"}, // the pages, embedded
	{
		packages: ".",
		internal: []string{"backup", "restore", "internal/analysis", "internal/hashembed", "internal/index", "internal/lockfile", "internal/markdown", "internal/propose", "internal/redact", "internal/schema", "internal/sqlite"},
		external: []string{"github.com/oklog/ulid/v2", "golang.org/x/text"},
		tests:    []string{"internal/benchtext", "golang.org/x/sys"},
	},
	{packages: "internal/benchtext"}, // what benchmarks store and ask
	{
		packages: "backup",
		internal: []string{"internal/lockfile", "internal/owner", "internal/schema", "internal/sqlite"},
		tests:    []string{"internal/index"}, // to make stores without the root
	},
	{packages: "restore", internal: []string{"backup", "internal/lockfile", "internal/owner", "internal/schema", "internal/sqlite"}},
	{packages: "internal/schema", internal: []string{"internal/index", "internal/sqlite"}},
	{packages: "internal/index", internal: []string{"internal/hashembed", "internal/sqlite", "internal/textindex", "internal/vectorindex"}, tests: []string{"internal/benchtext", "internal/schema"}},
	{packages: "internal/textindex"},
	{packages: "internal/redact"},
	{packages: "internal/propose", tests: []string{"github.com/google/go-cmp"}},
	{
		packages: "internal/sqlite/...",
		internal: []string{"internal/lockfile", "internal/sqlite/..."},
		external: []string{"github.com/ncruces/go-sqlite3", "github.com/asg017/sqlite-vec-go-bindings", "github.com/tetratelabs/wazero", "golang.org/x/sys"},
	},
	{packages: "internal/foreign", internal: []string{"internal/sqlite"}}, // other programs' databases, copied and read
	{packages: "internal/owner"},
	{packages: "internal/lockfile", external: []string{"golang.org/x/sys"}},
	{packages: "internal/vectorindex", tests: []string{"internal/vectorindex/clustered"}},
	{packages: "internal/vectorindex/clustered"}, // vectors for tests and benchmarks
	{packages: "internal/hashembed", internal: []string{"internal/analysis"}},
	{packages: "internal/analysis", external: []string{"golang.org/x/text"}},
	{packages: "internal/markdown", external: []string{"github.com/BurntSushi/toml", "github.com/yuin/goldmark", "go.yaml.in/yaml/v3", "golang.org/x/text"}},
}

// testImports may be used by every test.
var testImports = []string{"github.com/google/go-cmp"}

// TestMap holds the page about the architecture to the table: each package that has a
// rule is in the page, by its name.
func TestMap(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		name, _ := strings.CutSuffix(l.packages, "/...")
		switch {
		case name == "." || name == "cmd":
			continue // the drawing has them
		case strings.HasPrefix(name, "examples"):
			continue // programs to start from, no part of the product
		case strings.HasPrefix(name, "adapters/embedders/"), name == "internal/vectorindex/clustered":
			continue // below one that is there
		}
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/architecture.md does not have %s", name)
		}
	}
}

func TestLayers(t *testing.T) {
	files, err := goFiles(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no Go files found: the test looks in the wrong place")
	}
	for _, v := range checkLayers(layers, files) {
		t.Error(v)
	}
}

// A goFile is one source file as far as layers are concerned.
type goFile struct {
	name    string // slash-separated, relative to the module
	imports []string
}

// goFiles reads the imports of every Go file of the module. It parses files
// rather than ask the go command for packages, because a file that another
// platform builds must keep to the layers as well.
func goFiles(module fs.FS) ([]goFile, error) {
	var files []goFile
	err := fs.WalkDir(module, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			base := d.Name()
			if name != "." && (base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_') {
				return fs.SkipDir
			}
			if _, err := fs.Stat(module, path.Join(name, "go.mod")); err == nil && name != "." {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		src, err := fs.ReadFile(module, name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := goFile{name: name}
		for _, spec := range parsed.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			f.imports = append(f.imports, p)
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

// checkLayers returns one line for each import that layers forbid and for each
// package that they do not know.
func checkLayers(layers []layer, files []goFile) []string {
	var violations []string
	unknown := map[string]bool{}
	for _, f := range files {
		pkg := path.Dir(f.name)
		i := slices.IndexFunc(layers, func(l layer) bool { return covers(l.packages, pkg) })
		if i < 0 {
			if !unknown[pkg] {
				violations = append(violations, fmt.Sprintf("package %s has no rule: add it to layers", pkg))
			}
			unknown[pkg] = true
			continue
		}
		isTest := strings.HasSuffix(f.name, "_test.go")
		for _, imp := range f.imports {
			if !allowed(layers[i], pkg, imp, isTest) {
				violations = append(violations, fmt.Sprintf("%s imports %s, which its layer may not", f.name, imp))
			}
		}
	}
	return violations
}

func allowed(l layer, pkg, imp string, isTest bool) bool {
	if imp == "C" {
		return false // no cgo, on any platform
	}
	if imp == modulePath || strings.HasPrefix(imp, modulePath+"/") {
		rel := strings.TrimPrefix(strings.TrimPrefix(imp, modulePath), "/")
		if rel == "" {
			rel = "."
		}
		to := l.internal
		if isTest {
			if rel == pkg {
				return true // an external test of the package itself
			}
			to = slices.Concat(to, l.tests)
		}
		return slices.ContainsFunc(to, func(p string) bool { return covers(p, rel) })
	}
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		return true // the standard library
	}
	to := l.external
	if isTest {
		to = slices.Concat(to, l.tests, testImports)
	}
	return slices.ContainsFunc(to, func(m string) bool { return covers(m+"/...", imp) })
}

// covers reports whether pattern is name, or ends in "/..." and stands above it.
func covers(pattern, name string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == dir || strings.HasPrefix(name, dir+"/")
	}
	return pattern == name
}

// TestLayersCatch plants one violation of each kind and wants it named.
func TestLayersCatch(t *testing.T) {
	const driver = "github.com/ncruces/go-sqlite3"
	tests := []struct {
		name, file, imports string
		bad                 bool
	}{
		{"root takes internal", "store.go", modulePath + "/internal/sqlite", false},
		{"root takes the driver", "store.go", driver, true},
		{"a test of the root takes the driver", "store_test.go", driver + "/driver", true},
		{"sqlite takes the driver", "internal/sqlite/db.go", driver + "/driver", false},
		{"a module whose name only begins like an allowed one", "internal/sqlite/db.go", driver + "extra", true},
		{"internal takes the root", "internal/sqlite/db.go", modulePath, true},
		{"internal takes an adapter in a test", "internal/markdown/x_test.go", modulePath + "/adapters/cli", true},
		{"backup takes the root", "backup/create.go", modulePath, true},
		{"root takes an adapter", "store.go", modulePath + "/adapters/cli", true},
		{"adapter takes internal", "adapters/cli/add.go", modulePath + "/internal/sqlite", true},
		{"adapter takes the root", "adapters/cli/add.go", modulePath, false},
		{"main takes the root", "cmd/atocore/main.go", modulePath, true},
		{"main takes an adapter", "cmd/atocore/main.go", modulePath + "/adapters/cli", false},
		{"main on another platform", "cmd/atocore/main_windows.go", modulePath, true},
		{"an external test of its own package", "internal/markdown/x_test.go", modulePath + "/internal/markdown", false},
		{"go-cmp in a test", "internal/markdown/x_test.go", "github.com/google/go-cmp/cmp", false},
		{"go-cmp outside tests", "internal/markdown/x.go", "github.com/google/go-cmp/cmp", true},
		{"the standard library", "internal/analysis/x.go", "strings", false},
		{"cgo", "internal/sqlite/db.go", "C", true},
		{"a package without a rule", "internal/util/util.go", "strings", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := checkLayers(layers, []goFile{{name: test.file, imports: []string{test.imports}}})
			if (len(got) > 0) != test.bad {
				t.Fatalf("violations %q, want some: %v", got, test.bad)
			}
			if test.bad && !strings.Contains(got[0], path.Dir(test.file)) {
				t.Errorf("violation %q does not name %s", got[0], path.Dir(test.file))
			}
		})
	}
}

// TestLayersRead proves that a planted file is found on disk, whatever its
// build constraint, and that other modules and test data are left out.
func TestLayersRead(t *testing.T) {
	dir := t.TempDir()
	for name, src := range map[string]string{
		"a.go":                    "package a",
		"internal/x/x_windows.go": "//go:build windows\n\npackage x\n\nimport _ \"github.com/ncruces/go-sqlite3\"",
		"x/testdata/bad.go":       "package bad",
		"other/go.mod":            "module other",
		"other/other.go":          "package other",
	} {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(src), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := goFiles(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.name+" "+strings.Join(f.imports, " "))
	}
	want := []string{"a.go ", "internal/x/x_windows.go github.com/ncruces/go-sqlite3"}
	if !slices.Equal(got, want) {
		t.Errorf("goFiles = %q, want %q", got, want)
	}
}
