package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// The rules of output, all here:
//
//   - Results are collected and written when the command has succeeded, so
//     that a failed one writes nothing.
//   - Text that came out of a store, or a file's name, is somebody's data. It
//     must not move the cursor, retitle the window or reverse the line, so
//     line escapes its control characters, everywhere; and block, which
//     carries text that is wanted to the byte, does so on a terminal only.
//   - JSON escapes the control characters above ASCII as well.
//   - No colours.

// output collects what a command prints.
type output struct {
	w        io.Writer
	buf      bytes.Buffer
	json     bool
	terminal bool
}

// Write implements io.Writer for kong's help.
func (o *output) Write(p []byte) (int, error) { return o.buf.Write(p) }

func (o *output) flush() error {
	_, err := o.buf.WriteTo(o.w)
	return err
}

// put prints doc as the one JSON document, or calls human without --json.
func (o *output) put(doc any, human func()) error {
	if !o.json {
		human()
		return nil
	}
	b, err := document(doc)
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	o.buf.Write(b)
	return nil
}

// document is v as JSON on a line of its own.
func document(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return asciiControls(b.Bytes()), nil
}

// line prints one line, whatever the arguments contain.
func (o *output) line(format string, args ...any) {
	o.buf.WriteString(strings.TrimRight(safe(fmt.Sprintf(format, args...)), " "))
	o.buf.WriteByte('\n')
}

// block prints text of several lines, byte for byte unless to a terminal.
func (o *output) block(text string) {
	if !o.terminal {
		o.buf.WriteString(text)
	} else {
		for i, l := range strings.Split(text, "\n") {
			if i > 0 {
				o.buf.WriteByte('\n')
			}
			o.buf.WriteString(safe(strings.ReplaceAll(l, "\t", "    ")))
		}
	}
	if !strings.HasSuffix(text, "\n") {
		o.buf.WriteByte('\n')
	}
}

// safe escapes what a terminal would obey rather than show.
func safe(s string) string {
	if strings.IndexFunc(s, unsafeRune) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unsafeRune(r):
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// unsafeRune reports control characters, the marks that change the direction
// of text, which let a line read otherwise than it is, and bytes that are not
// UTF-8, which an old terminal may take for control characters.
func unsafeRune(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r <= 0x9f, r == utf8.RuneError:
		return true
	case r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// asciiControls escapes the unsafe characters of a JSON document, which occur
// in its strings alone; encoding/json escapes only those below space.
func asciiControls(doc []byte) []byte {
	unsafe := func(r rune) bool { return r != '\n' && r != utf8.RuneError && unsafeRune(r) }
	if bytes.IndexFunc(doc, unsafe) < 0 {
		return doc
	}
	var b bytes.Buffer
	for _, r := range string(doc) {
		if unsafe(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

// oneLine is s on one line, cut to at most most characters.
func oneLine(s string, most int) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

// maxCell is how much of a text a listing shows; get shows all of it.
const maxCell = 160

// moment is a time for people.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// orDash shows that a cell is empty rather than forgotten.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
