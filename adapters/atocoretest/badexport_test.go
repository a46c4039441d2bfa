package atocoretest_test

import (
	"bytes"
	"testing"

	"github.com/atocore/atocore/adapters/atocoretest"
)

// unsealed is an export without its first and last line, which tell that it has been
// altered.
func unsealed(export []byte) []byte {
	lines := bytes.SplitAfter(export, []byte("\n"))
	return bytes.Join(lines[1:len(lines)-2], nil)
}

// TestBadExports proves that an export which does not have everything is found, and
// what it lacks is named.
func TestBadExports(t *testing.T) {
	for _, test := range []struct {
		name  string
		alter func([]byte) []byte
		want  []string
	}{
		{"is cut short", func(b []byte) []byte { return b[:len(b)-10] }, []string{"export: imported", "not JSON"}},
		{"lacks its end", func(b []byte) []byte { return append(b[:bytes.LastIndex(b[:len(b)-1], []byte("\n"))], '\n') }, []string{"cut short"}},
		{"lacks a record", func(b []byte) []byte { b = unsealed(b); return b[bytes.Index(b, []byte("\n"))+1:] }, []string{"taken in", "Memories", "under the mat"}},
		{"has another text", func(b []byte) []byte {
			return bytes.ReplaceAll(unsealed(b), []byte("under the mat"), []byte("over the mat"))
		}, []string{"Memories", "over the mat"}},
		{"lacks a field", func(b []byte) []byte {
			return bytes.ReplaceAll(unsealed(b), []byte(`"confidence":1,`), []byte(`"confidence":0.5,`))
		}, []string{"Confidence"}},
		{"lacks an original", func(b []byte) []byte {
			b = unsealed(b)
			from := bytes.Index(b, []byte(`,"original":"`))
			return append(b[:from:from], b[from+bytes.Index(b[from:], []byte("}")):]...)
		}, []string{"Originals"}},
		{"lacks a probe", func(b []byte) []byte { b = unsealed(b); return b[:bytes.Index(b, []byte(`{"probe"`))] }, []string{"Probes"}},
		{"has a record that is refused", func(b []byte) []byte { return bytes.ReplaceAll(unsealed(b), []byte(`"type":"`), []byte(`"type":"x`)) }, []string{"left out", "is not a memory type"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := &atocoretest.Options{Seed: littleWithProbe, Probes: keyProbe, Dir: t.TempDir()}
			o.Alter(test.alter)
			wantFailure(t, atocoretest.RoundTrip(t.Context(), o), o.Dir, test.want...)
		})
	}
}
