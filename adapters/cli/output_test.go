package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/atocore/atocore/adapters/cli"
)

func TestSafe(t *testing.T) {
	for in, want := range map[string]string{
		"plain, – und 中文 🙂":         "plain, – und 中文 🙂",
		"\x1b[31mred\x1b[0m":        `\x1b[31mred\x1b[0m`,
		"title\x1b]0;owned\x07":     `title\x1b]0;owned\a`,
		"two\nlines\tand a tab":     `two\nlines\tand a tab`,
		"\u009b31m, DEL \x7f":       `\u009b31m, DEL \x7f`,
		"user\u202egnp.exe":         `user\u202egnp.exe`,
		"not UTF-8: \xff, NUL \x00": `not UTF-8: \xff, NUL \x00`,
	} {
		if got := cli.Safe(in); got != want {
			t.Errorf("Safe(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestBlock(t *testing.T) {
	const text = "a\tb\n\x1b[2Jc"
	if got, want := cli.Block(text, false), text+"\n"; got != want {
		t.Errorf("to a file: %q, want %q", got, want)
	}
	if got, want := cli.Block(text, true), "a    b\n\\x1b[2Jc\n"; got != want {
		t.Errorf("to a terminal: %q, want %q", got, want)
	}
}

func TestOneLine(t *testing.T) {
	if got, want := cli.OneLine(" a\n\n b\tc ", 10), "a b c"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := cli.OneLine("ééééé", 3), "éé…"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzTerminal holds that no text drives a terminal, as a line or in JSON, and
// that JSON still says the same.
func FuzzTerminal(f *testing.F) {
	f.Add("\x1b[2J\u009b\u202e\xff\x00\n")
	f.Add("plain")
	harmless := func(s string) bool {
		for _, r := range s {
			if r < 0x20 || r >= 0x7f && r <= 0x9f || r >= 0x2066 && r <= 0x2069 || r >= 0x202a && r <= 0x202e {
				return false
			}
		}
		return utf8.ValidString(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := cli.Safe(s); !harmless(got) {
			t.Errorf("Safe(%q) = %q", s, got)
		}
		doc, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		escaped := cli.ASCIIControls(doc)
		if !harmless(string(escaped)) {
			t.Errorf("ASCIIControls(%q) = %q", doc, escaped)
		}
		var got string
		if err := json.Unmarshal(escaped, &got); err != nil {
			t.Fatalf("%q is no JSON: %v", escaped, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); utf8.ValidString(s) && got != want {
			t.Errorf("JSON says %q, want %q", got, want)
		}
	})
}
