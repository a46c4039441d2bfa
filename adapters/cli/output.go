package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/atocore/atocore/adapters/wire"
)

// The rules of output, all here:
//
//   - Results are collected and written when the command has succeeded, so
//     that a failed one writes nothing. export alone writes as it goes, and not
//     to a terminal: its last line says that it is whole.
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
	b, err := wire.Encode(doc)
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	o.buf.Write(b)
	return nil
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
	if strings.IndexFunc(s, wire.Unsafe) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case wire.Unsafe(r):
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
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

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
