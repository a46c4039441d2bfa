package tokenizer_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"testing"
)

// charsmap is a precompiled normalization, made by hand: A becomes a, and e with
// an acute accent behind it becomes é. The root's children are at 0x100 with
// their byte exclusive-ored in, and so on.
func charsmap() string {
	units := make([]uint32, 0x800)
	node := func(at, label, offset uint32, leaf bool) {
		units[at] = label | offset<<10
		if leaf {
			units[at] |= 1 << 8
		}
	}
	units[0] = 0x100 << 10
	node(0x100^'A', 'A', 1, true)
	units[0x100^'A'^1] = 1 << 31
	node(0x100^'e', 'e', 0x200, false)
	node(0x300^'e'^0xcc, 0xcc, 0x400, false)
	node(0x700^'e'^0xcc^0x81, 0x81, 1, true)
	units[0x700^'e'^0xcc^0x81^1] = 1<<31 | 2
	out := binary.LittleEndian.AppendUint32(nil, uint32(4*len(units)))
	for _, u := range units {
		out = binary.LittleEndian.AppendUint32(out, u)
	}
	return base64.StdEncoding.EncodeToString(append(out, "a\x00é\x00"...))
}

func TestPrecompiled(t *testing.T) {
	for text, want := range map[string]string{
		"A":                    "a",
		"BAAB":                 "BaaB",
		"xe\u0301A":            "xéa",
		"e":                    "e",
		"A\u0301":              "a",                    // the shortest key that the character begins with, for all of it
		"Z\u0301":              "Z\u0301",              // no key
		"A\u0301\u0302B":       "aB",                   // five bytes
		"A\u0301\u0302\u0303B": "a\u0301\u0302\u0303B", // longer: by its parts
		"\r\nA":                "\r\na",
	} {
		tok := letters(t, fmt.Sprintf(`{"type": "Precompiled", "precompiled_charsmap": %q}`, charsmap()), `null`, want)
		if got := tok.encode(text); got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
	tok := letters(t, `{"type": "Precompiled", "precompiled_charsmap": null}`, `null`, "A")
	if got := tok.encode("A"); got != "A" {
		t.Errorf("without rules: %q", got)
	}
}
