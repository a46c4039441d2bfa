package wire_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/atocore/atocore/adapters/wire"
)

func TestDecode(t *testing.T) {
	type text struct {
		A string `json:"a"`
	}
	for src, want := range map[string]string{
		`{"a":"\u00e9 \ud83d\ude00 \\ud800 \\\\"}`: "é 😀 \\ud800 \\\\",
		` {"a":"x"} ` + "\n":                       "x",
	} {
		var got text
		if err := wire.Decode([]byte(src), &got); err != nil || got.A != want {
			t.Errorf("%s: %q, %v; want %q", src, got.A, err, want)
		}
	}
	for src, says := range map[string]string{
		`{"a":"\ud800"}`:           `\ud800`,
		`{"a":"\ud800x"}`:          `\ud800`,
		`{"a":"\udc00\ud800"}`:     `\udc00`,
		`{"a":"\ud83d\ud83d"}`:     `\ud83d`,
		`{"a":"\\\ud800"}`:         `\ud800`,
		`{"a":"` + "\xff" + `"}`:   "UTF-8",
		``:                         "empty",
		`{"a":"x"}{"a":"y"}`:       "more than one",
		`{"a":"x","b":1}`:          `"b"`,
		`{"a":`:                    "EOF",
		strings.Repeat("[", 20000): "depth",
	} {
		var got text
		if err := wire.Decode([]byte(src), &got); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40s: %v, want an error that says %q", src, err, says)
		}
	}
}

// FuzzCheck holds that what passes is decoded as it stands: nothing in it becomes
// U+FFFD that was not.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{`"\ud83d\ude00"`, `"\ud800"`, `"\\ud800"`, `"\u00ef\ufffd"`, "\"\xff\"", `"\\\ud800\udc00"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var got string
		if json.Unmarshal(src, &got) != nil {
			return
		}
		spelt := strings.Count(string(src), "\ufffd") + strings.Count(strings.ToLower(string(src)), `\ufffd`)
		replaced := strings.Count(got, string(utf8.RuneError)) > spelt
		if err := wire.Check(src); (err != nil) != replaced && err == nil {
			t.Errorf("%q passes, and becomes %q", src, got)
		}
	})
}

func TestEncode(t *testing.T) {
	got, err := wire.Encode(map[string]string{"a": "<b> \u0085\u202e\x1b é"})
	if want := `{"a":"<b> \u0085\u202e\u001b é"}` + "\n"; err != nil || string(got) != want {
		t.Errorf("%s, want %s, %v", got, want, err)
	}
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{"36h": 36 * time.Hour, "7d": 168 * time.Hour, "2w": 336 * time.Hour, "0.5d": 12 * time.Hour} {
		if got, err := wire.Span(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "7", "0d", "-7d", "soon", "1e9w", "20000w", "1e-20d", "NaNd", "-1h", "0s"} {
		if got, err := wire.Span(text); err == nil {
			t.Errorf("%s is %v", text, got)
		}
	}
}
