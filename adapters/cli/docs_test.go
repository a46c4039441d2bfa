package cli_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/atocore/atocore/adapters/cli"
)

var update = flag.Bool("update", false, "write the reference of commands into docs/cli.md")

// TestReference holds docs/cli.md against the commands: everything below its
// heading "Commands" is written by this test with -update.
func TestReference(t *testing.T) {
	name := filepath.Join("..", "..", "docs", "cli.md")
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const heading = "## Commands\n"
	head, got, ok := strings.Cut(strings.ReplaceAll(string(page), "\r\n", "\n"), heading)
	if !ok {
		t.Fatalf("%s has no heading %q", name, heading)
	}
	model, err := cli.Model()
	if err != nil {
		t.Fatal(err)
	}
	want := reference(model)
	if *update {
		if err := os.WriteFile(name, []byte(head+heading+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s does not say what the commands' help says: go test ./adapters/cli -run TestReference -update", name)
	}
}

// TestExitCodesDocumented holds the page's table against the error codes.
func TestExitCodesDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[int]string{}
	for line := range strings.Lines(string(page)) {
		var exit int
		if _, err := fmt.Sscanf(line, "| %d |", &exit); err == nil {
			rows[exit] = line
		}
	}
	for name, want := range sentinels {
		if !strings.Contains(rows[want.exit], "`"+want.code+"`") {
			t.Errorf("%s: code %s is not in the row of exit %d: %q", name, want.code, want.exit, rows[want.exit])
		}
	}
}

func reference(model *kong.Application) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nEach takes the global flags as well:\n\n")
	flags(&b, model.Flags)
	for _, node := range model.Leaves(true) {
		fmt.Fprintf(&b, "\n### %s", strings.TrimPrefix(node.FullPath(), "atocore "))
		for _, arg := range node.Positional {
			fmt.Fprintf(&b, " %s", argument(arg))
		}
		detail, examples, _ := strings.Cut(node.Detail, "Examples:\n")
		fmt.Fprintf(&b, "\n\n%s", node.Help)
		if detail = strings.TrimSpace(detail); detail != "" {
			fmt.Fprintf(&b, " %s", detail)
		}
		fmt.Fprintf(&b, "\n%s", examples)
		if examples != "" {
			b.WriteByte('\n')
		}
		var lines strings.Builder
		for _, arg := range node.Positional {
			fmt.Fprintf(&lines, "* `%s`: %s\n", argument(arg), escape(arg.Help))
		}
		flags(&lines, node.Flags)
		if lines.Len() > 0 {
			fmt.Fprintf(&b, "\n%s", lines.String())
		}
	}
	return b.String()
}

func argument(v *kong.Value) string {
	name := strings.ToUpper(v.Name)
	if v.IsSlice() {
		name += "…"
	}
	return name
}

func flags(b *strings.Builder, list []*kong.Flag) {
	for _, f := range list {
		if f.Hidden || f.Name == "help" {
			continue
		}
		value := ""
		if !f.IsBool() {
			value = "=" + f.FormatPlaceHolder()
		}
		required := ""
		if f.Required {
			required = " Required."
		}
		name := f.Name
		if f.Tag.Negatable != "" {
			name = "[no-]" + name
		}
		fmt.Fprintf(b, "* `--%s%s`: %s%s\n", name, value, escape(f.Help), required)
	}
}

// escape keeps a help text's words from being Markdown.
func escape(s string) string { return strings.NewReplacer("<", `\<`, "_", `\_`, "*", `\*`).Replace(s) }
