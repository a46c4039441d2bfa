package cli_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/docs"
)

// What the pages show is run. A block of code is, by the word behind its fence,
//
//	sh       commands: run in the order of the page, in one directory with one store
//	output   what the block before it printed on standard output
//	go       a part of the library's source, or of an example that is run
//	text, json, yaml, diff   none of these
//
// A service that is started goes on beside the blocks that follow, at an address of its
// own, which stands there for the page's; what is exported stays so.
//
// In output, a line "…" stands for any lines, and IDs, stamps, digests, dates,
// milliseconds and decimal fractions for whatever is in their place. An ID or
// stamp that is printed is known by the page's in the commands that follow.

// A block is one fenced block of a page.
type block struct {
	lang string
	line int // of its first line, from 1
	text string
}

// blocks returns the fenced blocks of a page, and complains of commands that
// are anywhere else.
func blocks(t *testing.T, name, page string) []block {
	t.Helper()
	var out []block
	var open *block
	for i, line := range strings.Split(page, "\n") {
		rest, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &block{lang: rest, line: i + 2}
			if !slices.Contains([]string{"sh", "output", "go", "text", "json", "yaml", "diff"}, rest) {
				t.Errorf("%s:%d: a block of %q", name, i+1, rest)
			}
		case isFence:
			out = append(out, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
			if open.lang != "sh" && open.lang != "output" && isCommand(line) {
				t.Errorf("%s:%d: a command that is not run: %s", name, i+1, line)
			}
		case strings.HasPrefix(line, "    ") && isCommand(line):
			t.Errorf("%s:%d: a command that is not run: %s", name, i+1, line)
		}
	}
	if open != nil {
		t.Errorf("%s:%d: a block without an end", name, open.line-1)
	}
	return out
}

var command = regexp.MustCompile(`^\s*(\$ *)?(atocore|go run|go test|go get) `)

func isCommand(line string) bool { return command.MatchString(line) }

// pages are the pages for users, by the name that errors give them.
func pages(t *testing.T) map[string]string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{"README.md": string(readme)}
	names, err := fs.Glob(docs.Pages(), "*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		page, err := fs.ReadFile(docs.Pages(), name)
		if err != nil {
			t.Fatal(err)
		}
		out["docs/"+name] = string(page)
	}
	for name, page := range out {
		page = strings.ReplaceAll(page, "\r\n", "\n")
		if name == "docs/cli.md" {
			page, _, _ = strings.Cut(page, "## Commands\n") // see TestHelpExamples
		}
		out[name] = page
	}
	return out
}

func TestSnippets(t *testing.T) {
	shell := findShell(t)
	for name, page := range pages(t) {
		t.Run(name, func(t *testing.T) {
			all := blocks(t, name, page)
			if !slices.ContainsFunc(all, func(b block) bool { return b.lang == "sh" }) {
				return
			}
			t.Parallel()
			p := newSnippets(t, shell)
			last := ""
			for i, b := range all {
				var err error
				switch b.lang {
				case "sh":
					last, err = p.run(t, b.text)
					// curl does not fail where a server refuses.
					if shown := i+1 < len(all) && all[i+1].lang == "output"; err == nil && !shown && strings.Contains(last, `"type":"about:blank"`) {
						err = fmt.Errorf("a request failed: %s", last)
					}
				case "output":
					err = p.compare(last, b.text)
				}
				if err != nil {
					t.Fatalf("%s:%d: %v", name, b.line, err)
				}
			}
		})
	}
}

func findShell(t *testing.T) string {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no sh to run the snippets with")
	}
	return shell
}

// snippets run the commands of one page.
type snippets struct {
	shell string
	dir   string
	env   []string
	ids   map[string]string // the IDs that the page shows, and those that they stand for
	addr  string            // of the service that the page has started
}

// pageAddr is where services listen on the pages.
const pageAddr = "127.0.0.1:8766"

func newSnippets(t *testing.T, shell string) *snippets {
	t.Helper()
	dir := t.TempDir()
	// As in a clone of the repository, there is documentation to take in.
	if err := os.CopyFS(filepath.Join(dir, "docs"), docs.Pages()); err != nil {
		t.Fatal(err)
	}
	p := &snippets{shell: shell, dir: dir, env: os.Environ(), ids: map[string]string{}}
	for key, value := range homes() {
		p.env = append(p.env, key+"="+value)
	}
	p.env = append(p.env, "ATOCORE_DATA="+filepath.Join(dir, "store"), "ATOCORE_BACKUPS=", "ATOCORE_CONFIG=", "NO_COLOR=1")
	return p
}

// run runs a block of commands and returns its standard output.
func (p *snippets) run(t *testing.T, script string) (string, error) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(script) {
		if example, ok := strings.CutPrefix(line, "go run ./examples/"); ok {
			// .ci/run runs all of them.
			name := strings.Fields(example)[0]
			if _, err := os.Stat(filepath.Join("..", "..", "examples", name, "main.go")); err != nil {
				return "", err
			}
			continue
		}
		if strings.HasPrefix(line, "go test ") || strings.HasPrefix(line, "go get ") {
			continue // the one is running, the other needs a network
		}
		lines = append(lines, strings.Replace(line, "go run ./cmd/atocore", "atocore", 1))
	}
	lines, err := p.ahead(t, lines)
	if err != nil {
		return "", err
	}
	script = strings.Join(lines, "")
	if strings.Contains(script, "curl ") {
		needCurl(t)
	}
	if p.addr != "" {
		script = strings.ReplaceAll(script, pageAddr, p.addr)
	}
	for shown, id := range p.ids {
		script = strings.ReplaceAll(script, shown, id)
	}
	cmd := exec.CommandContext(t.Context(), p.shell, "-euc", script)
	cmd.Dir, cmd.Env = p.dir, p.env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w\n%s%s%s", err, script, out, stderr.String())
	}
	return string(out), nil
}

// ahead does what outlasts a block, and returns the lines that are left.
func (p *snippets) ahead(t *testing.T, lines []string) (left []string, err error) {
	t.Helper()
	for _, line := range lines {
		name, _, isExport := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		switch {
		case isExport && strings.HasPrefix(line, "export "):
			cmd := exec.CommandContext(t.Context(), p.shell, "-euc", line+`printf %s "$`+name+`"`)
			cmd.Dir, cmd.Env = p.dir, p.env
			value, err := cmd.Output()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", line, err)
			}
			p.env = append(p.env, name+"="+string(value))
		case strings.HasPrefix(line, "atocore serve"):
			if err := p.serve(t, strings.TrimSpace(line)); err != nil {
				return nil, err
			}
		default:
			left = append(left, line)
		}
	}
	return left, nil
}

// serve starts a service, which is interrupted at the end of the test.
func (p *snippets) serve(t *testing.T, line string) error {
	t.Helper()
	cmd := exec.Command(p.shell, "-euc", "exec "+line+" --json --quiet --addr 127.0.0.1:0")
	cmd.Dir, cmd.Env = p.dir, p.env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // where that cannot be done, Kill does
		if runtime.GOOS == "windows" {
			_ = cmd.Process.Kill()
		}
		if err := cmd.Wait(); err != nil && runtime.GOOS != "windows" {
			t.Errorf("%s: %v: %s", line, err, stderr.String())
		}
	})
	var doc struct{ Address string }
	if err := json.NewDecoder(out).Decode(&doc); err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, stderr.String())
	}
	p.addr = doc.Address
	return nil
}

func needCurl(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no curl to run the snippets with")
	}
}

// changing are the forms of what differs from run to run. What is named is known
// by the page's word for it in the commands that follow.
var changing = []struct {
	form  string
	named bool
}{
	{`[0-7][0-9a-hjkmnp-tv-z]{25}`, true},        // IDs
	{`\d{8}T\d{6}Z`, true},                       // snapshots
	{`[0-9a-f]{64}`, false},                      // digests
	{`\d{4}-\d\d-\d\d(?:[T ][0-9:.]+Z)?`, false}, // dates
	{`\d+(?:\.\d+)? ms`, false},
	{`\d+\.\d+`, false},
}

// anyChanging has a group for each form.
var anyChanging = func() *regexp.Regexp {
	var forms []string
	for _, c := range changing {
		forms = append(forms, "("+c.form+")")
	}
	return regexp.MustCompile(`\b(?:` + strings.Join(forms, "|") + `)\b`)
}()

// compare holds what was printed against what the page shows, and learns the
// names.
func (p *snippets) compare(got, want string) error {
	var b strings.Builder
	var shown []string
	for line := range strings.Lines(want) {
		if line == "…\n" {
			b.WriteString(`(?:.*\n)*?`)
			continue
		}
		at := 0
		for _, m := range anyChanging.FindAllStringSubmatchIndex(line, -1) {
			b.WriteString(regexp.QuoteMeta(line[at:m[0]]))
			at = m[1]
			for i, c := range changing {
				switch {
				case m[2*i+2] < 0:
				case c.named:
					b.WriteString("(" + c.form + ")")
					shown = append(shown, line[m[0]:m[1]])
				default:
					b.WriteString(c.form)
				}
			}
		}
		b.WriteString(regexp.QuoteMeta(line[at:]))
	}
	re, err := regexp.Compile(`\A` + b.String() + `\z`)
	if err != nil {
		return err
	}
	m := re.FindStringSubmatch(got)
	if m == nil {
		return fmt.Errorf("the output is another one (-page +printed):\n%s", cmp.Diff(want, got))
	}
	for i, word := range shown {
		if id, ok := p.ids[word]; ok && id != m[i+1] {
			return fmt.Errorf("%s stands for %s and for %s", word, id, m[i+1])
		}
		p.ids[word] = m[i+1]
	}
	return nil
}

// TestSnippetsCompare proves that compare sees what differs.
func TestSnippetsCompare(t *testing.T) {
	const a, b, other = "01jqv3k8w2x4n6p8r0t2v4y6z8", "01jqv3k8w2x4n6p8r0t2v4y6z9", "01m83ry3b4k00ta0rst6jf1gfk"
	tests := []struct {
		name, got, want string
		same            bool
	}{
		{"equal", "a b\n", "a b\n", true},
		{"another word", "a c\n", "a b\n", false},
		{"a line more", "a\nb\n", "a\n", false},
		{"a line less", "a\n", "a\nb\n", false},
		{"any lines", "a\nb\nc\nd\n", "a\n…\nd\n", true},
		{"no lines", "a\nd\n", "a\n…\nd\n", true},
		{"any lines, another end", "a\nb\nc\n", "a\n…\nd\n", false},
		{"an ID, a date, a fraction", other + " 2026-11-23 0.993\n", a + " 2026-03-02 1.040\n", true},
		{"a whole number", "3 hits\n", "4 hits\n", false},
		{"one ID for two", a + " " + a + "\n", a + " " + b + "\n", true},
		{"two IDs for one", a + " " + b + "\n", a + " " + a + "\n", false},
		{"dots are dots", "axb\n", "a.b\n", false},
		{"a stamp, a digest, a time", "20261124T030547Z " + strings.Repeat("e", 64) + " 7 ms\n", "20260409T131321Z " + strings.Repeat("0", 64) + " 12.5 ms\n", true},
		{"one stamp for two", "20261124T030547Z 20261124T030547Z\n", "20261124T030547Z 20261124T030548Z\n", true},
		{"two stamps for one", "20261124T030547Z 20261124T030548Z\n", "20260409T131321Z 20260409T131321Z\n", false},
	}
	for _, test := range tests {
		p := &snippets{ids: map[string]string{}}
		if err := p.compare(test.got, test.want); (err == nil) != test.same {
			t.Errorf("%s: compare says %v, want the same: %v", test.name, err, test.same)
		}
	}
}

// TestGoSnippets holds the pages' Go against the library and its examples, where
// it is compiled and run.
func TestGoSnippets(t *testing.T) {
	root := filepath.Join("..", "..")
	sources, err := filepath.Glob(filepath.Join(root, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join(root, "examples", "*", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Glob(filepath.Join(root, "adapters", "*", "example*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var code []string
	for _, name := range slices.Concat(sources, more, examples) {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code = append(code, unindented(string(src)))
	}
	for name, page := range pages(t) {
		for _, b := range blocks(t, name, page) {
			if b.lang != "go" {
				continue
			}
			want := unindented(b.text)
			if !slices.ContainsFunc(code, func(src string) bool { return strings.Contains(src, want) }) {
				t.Errorf("%s:%d: is in no source or example, as it stands", name, b.line)
			}
		}
	}
}

func unindented(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}

// TestHelpExamples runs the examples of each command's help, as docs/cli.md
// shows them. Their IDs are of nobody's records, so they may find nothing; they
// may not be wrong usage.
func TestHelpExamples(t *testing.T) {
	page, err := fs.ReadFile(docs.Pages(), "cli.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.CopyFS("docs", docs.Pages()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("src", 0o777); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "store")
	if exit := run(t.Context(), data, nil, io.Discard, io.Discard, "project", "add", "website"); exit != 0 {
		t.Fatalf("project add exits with %d", exit)
	}
	_, reference, _ := strings.Cut(strings.ReplaceAll(string(page), "\r\n", "\n"), "## Commands\n")
	n := 0
	for line := range strings.Lines(reference) {
		line, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "    atocore ")
		if !ok || strings.HasPrefix(line, "tour") || strings.HasPrefix(line, "health") { // which TestScripts and TestServePeriodic run
			continue
		}
		n++
		line, _, _ = strings.Cut(line, " > ")
		var stderr strings.Builder
		if exit := run(t.Context(), data, strings.NewReader(""), io.Discard, &stderr, arguments(line)...); exit != 0 && exit != 3 {
			t.Errorf("atocore %s: exit code %d: %s", line, exit, stderr.String())
		}
	}
	if n < 20 {
		t.Errorf("%d examples found", n)
	}
}

// arguments splits a command line at blanks outside of double quotes.
func arguments(line string) []string {
	var args []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	return args
}

// TestLinks follows the links from page to page, to their headings.
func TestLinks(t *testing.T) {
	root := filepath.Join("..", "..")
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	n := 0
	for name, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			n++
			to, anchor, _ := strings.Cut(m[1], "#")
			file := filepath.Join(root, filepath.FromSlash(name))
			if to != "" {
				file = filepath.Join(filepath.Dir(file), filepath.FromSlash(to))
			}
			target, err := os.ReadFile(file)
			if err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(string(target)), anchor) {
				t.Errorf("%s links to %s, which is no heading", name, m[1])
			}
		}
	}
	if n == 0 {
		t.Error("no links found")
	}
}

// anchors are the names that headings get on the web: in lower case, blanks as
// dashes, signs left out.
func anchors(page string) []string {
	var out []string
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "#") {
			continue
		}
		heading := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
		out = append(out, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return r
			}
			return -1
		}, heading))
	}
	return out
}

// TestFindingsDocumented holds docs/troubleshooting.md against the codes of
// Store.Check.
func TestFindingsDocumented(t *testing.T) {
	page, err := fs.ReadFile(docs.Pages(), "troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile("(?m)^### `([a-z_]+)`").FindAllStringSubmatch(string(page), -1) {
		got = append(got, m[1])
	}
	slices.Sort(got)
	var want []string
	for _, file := range []string{"check.go", "internal/schema/inspect.go", "internal/index/check.go"} {
		want = append(want, findingCodes(t, filepath.Join("..", "..", filepath.FromSlash(file)))...)
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/troubleshooting.md (-codes of Check +headings of the page):\n%s", diff)
	}
}

// findingCodes are the codes in a file: the first argument of each call of add,
// the first value of each entry of a table whose first column is code, and that of
// each Fault.
func findingCodes(t *testing.T, name string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	literal := func(list []ast.Expr) {
		if len(list) == 0 {
			return
		}
		if lit, ok := list[0].(*ast.BasicLit); ok {
			code, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, code)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "add" {
				literal(n.Args)
			}
		case *ast.CompositeLit:
			if fault, ok := n.Type.(*ast.Ident); ok && fault.Name == "Fault" {
				first := n.Elts
				if len(first) > 0 {
					if kv, ok := first[0].(*ast.KeyValueExpr); ok {
						first = []ast.Expr{kv.Value}
					}
				}
				literal(first)
			}
			if array, ok := n.Type.(*ast.ArrayType); ok {
				if row, ok := array.Elt.(*ast.StructType); ok && row.Fields.List[0].Names[0].Name == "code" {
					for _, e := range n.Elts {
						literal(e.(*ast.CompositeLit).Elts)
					}
				}
			}
		}
		return true
	})
	if len(codes) == 0 {
		t.Fatalf("%s has no codes of findings: the test looks in the wrong place", name)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}
