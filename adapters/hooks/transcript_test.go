package hooks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/adapters/hooks"
)

// fixtures are transcripts that the real program has written, where they are there.
func fixtures(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "fixtures", "transcripts")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the folder of real transcripts is not there")
	}
	return dir
}

// An expectation is what is known of a fixture.
type expectation struct {
	SidechainLines int      `json:"sidechain_lines"`
	Lines          int      `json:"lines"`
	Typed          []string `json:"typed_prompts"`
	Last           string   `json:"last_assistant_text"`
}

func expectations(t *testing.T, dir string) map[string]expectation {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]expectation
	if err := json.Unmarshal(src, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func turn(t testing.TB, src []byte, answer string) (hooks.Turn, bool) {
	t.Helper()
	got, ok, err := hooks.LastTurn(t.Context(), bytes.NewReader(src), int64(len(src)), answer)
	if err != nil {
		t.Fatal(err)
	}
	return got, ok
}

// TestFixtures holds the reader to real transcripts: as they are, and cut off behind
// each of their lines, as hooks find them while a session goes on.
func TestFixtures(t *testing.T) {
	dir := fixtures(t)
	for name, want := range expectations(t, dir) {
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			if err != nil {
				t.Fatal(err)
			}
			last, ok := turn(t, src, "")
			if want.SidechainLines == want.Lines {
				if ok {
					t.Errorf("a subagent's conversation gives the turn %+v", last)
				}
				return
			}
			if len(want.Typed) > 0 && first(last.Prompt) != want.Typed[len(want.Typed)-1] {
				t.Errorf("the last prompt is %q, want %q", first(last.Prompt), want.Typed[len(want.Typed)-1])
			}
			if last.Answer != "" && last.Answer != strings.TrimSpace(want.Last) {
				t.Errorf("the last answer is %q, want %q", last.Answer, want.Last)
			}
			if told, ok := turn(t, src, "what the hook was told"); !ok || told.Answer != "what the hook was told" || told.ID != last.ID && last.Prompt != "" {
				t.Errorf("with an answer that was told the turn is %+v, want %+v", told, last)
			}
			if want.SidechainLines > 0 {
				return // its records are of many sessions
			}
			var typed []string
			ids := map[string]bool{}
			for line, at := range ends(src) {
				got, ok := turn(t, src[:at], "")
				if !ok || got.Prompt == "" || ids[got.ID] {
					continue
				}
				ids[got.ID] = true
				typed = append(typed, first(got.Prompt))
				if got.Time.IsZero() {
					t.Errorf("the prompt at line %d has no time", line)
				}
			}
			if d := cmp.Diff(want.Typed, typed); d != "" && len(want.Typed)+len(typed) > 0 {
				t.Errorf("typed prompts: -want +got\n%s", d)
			}
		})
	}
}

// ends are where the lines of a text end, their breaks included.
func ends(src []byte) []int {
	var out []int
	for i, c := range src {
		if c == '\n' {
			out = append(out, i+1)
		}
	}
	return out
}

func first(s string) string {
	r := []rune(s)
	return string(r[:min(len(r), 200)])
}

// transcript makes lines of what a session is made of:
//
//	u: typed        ub: typed, as blocks     a: said           a+: said, and a tool called in the same message
//	t: tool called  r: its result            th: thought       m: put in by the program
//	n: notice       c: command               o: what it prints  s: summary
//	i: interrupted  p: progress              x: a subagent's   e: an error of the service
func transcript(steps ...string) []byte {
	var b bytes.Buffer
	message := 0
	for n, step := range steps {
		kind, text, _ := strings.Cut(step, " ")
		rec := map[string]any{
			"isSidechain": false, "uuid": fmt.Sprintf("id-%d", n), "timestamp": fmt.Sprintf("2026-03-01T10:00:%02dZ", n), "sessionId": "s",
		}
		user := func(content any) {
			rec["type"], rec["message"] = "user", map[string]any{"role": "user", "content": content}
		}
		assistant := func(blocks ...any) {
			if kind != "&" {
				message++
			}
			rec["type"] = "assistant"
			rec["message"] = map[string]any{"id": fmt.Sprintf("msg-%d", message), "role": "assistant", "model": "m", "content": blocks}
		}
		block := func(s string) any { return map[string]any{"type": "text", "text": s} }
		call := map[string]any{"type": "tool_use", "id": "t", "name": "Bash", "input": map[string]any{"text": "not said", "type": "text"}}
		switch kind {
		case "u":
			user(text)
		case "ub":
			user([]any{map[string]any{"type": "image", "source": map[string]any{"data": "AAAA"}}, block("<ide_selection>lines</ide_selection>"), block(text)})
		case "a", "&":
			assistant(block(text))
		case "a+":
			assistant(block(text), call)
		case "t":
			assistant(call)
		case "th":
			assistant(map[string]any{"type": "thinking", "thinking": text})
		case "r":
			user([]any{map[string]any{"type": "tool_result", "content": text}})
			rec["toolUseResult"] = map[string]any{"stdout": text}
		case "m":
			user(text)
			rec["isMeta"] = true
		case "n":
			user("<task-notification>" + text + "</task-notification>")
		case "c":
			user("<command-name>/" + text + "</command-name>")
		case "o":
			user("<local-command-stdout>" + text + "</local-command-stdout>")
		case "s":
			user(text)
			rec["isCompactSummary"] = true
		case "i":
			user([]any{block("[Request interrupted by user]")})
		case "p":
			rec["type"], rec["data"] = "progress", map[string]any{"message": map[string]any{"type": "assistant", "message": map[string]any{"content": []any{block(text)}}}}
		case "x":
			assistant(block(text))
			rec["isSidechain"] = true
		case "e":
			assistant(block(text))
			rec["isApiErrorMessage"] = true
		default:
			panic(step)
		}
		line, err := json.Marshal(rec)
		if err != nil {
			panic(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.Bytes()
}

func TestLastTurn(t *testing.T) {
	for _, tt := range []struct {
		name              string
		steps             []string
		id, prompt, reply string
	}{
		{"a question", []string{"u Which port?", "a 8443."}, "id-0", "Which port?", "8443."},
		{"as blocks, beside an image", []string{"ub Which port?", "a 8443."}, "id-0", "Which port?", "8443."},
		{"the last of several", []string{"u One?", "a 1.", "u Two?", "a 2."}, "id-2", "Two?", "2."},
		{"with tools", []string{"u Do it.", "th hm", "a+ Looking.", "r text", "p progress", "t", "r text", "a Done."}, "id-0", "Do it.", "Done."},
		{"an answer of several records", []string{"u Do it.", "th hm", "a First.", "& Second."}, "id-0", "Do it.", "First.\n\nSecond."},
		{"of subagents", []string{"u Do it.", "t", "x Mine.", "r text", "a Done.", "x Late."}, "id-0", "Do it.", "Done."},
		{"an error of the service", []string{"u Do it.", "a Done.", "e Overloaded."}, "id-0", "Do it.", "Done."},
		{"no answer", []string{"u One?", "a 1.", "u Two?"}, "id-2", "Two?", ""},
		{"interrupted", []string{"u Do it.", "a+ Looking.", "i"}, "id-0", "Do it.", "Looking."},
		{"instructions of a skill between", []string{"u Do it.", "a+ Looking.", "r text", "m Instructions.", "a Done."}, "id-0", "Do it.", "Done."},
		{"instructions before", []string{"u Do it.", "m Instructions.", "a Done."}, "id-0", "Do it.", "Done."},
		{"compacted between", []string{"u Do it.", "t", "r text", "s What was said.", "a Done."}, "id-0", "Do it.", "Done."},
		{"a command of the program between", []string{"u Do it.", "a+ Looking.", "m <local-command-caveat>x", "c status", "o fine", "r text", "a Done."}, "id-0", "Do it.", "Done."},
		{"a command of the program behind", []string{"u Do it.", "a Done.", "c status", "o fine"}, "id-0", "Do it.", "Done."},
		{"a notice, answered", []string{"u Do it.", "a Started.", "n ended", "a It works."}, "id-2", "", "It works."},
		{"a notice with tools", []string{"u Do it.", "a Started.", "n ended", "t", "r text", "a It works."}, "id-2", "", "It works."},
		{"a notice within", []string{"u Do it.", "a+ Looking.", "n ended", "a Done."}, "id-0", "Do it.", "Done."},
		{"another hook goes on", []string{"u Do it.", "a Done.", "m Stop hook feedback: tests fail", "t", "r text", "a Repaired."}, "id-2", "", "Repaired."},
		{"a command for the assistant", []string{"u Do it.", "a Done.", "c review", "m Instructions.", "a Reviewed."}, "id-2", "", "Reviewed."},
		{"no beginning", []string{"r text", "a Done."}, "", "", "Done."},
		{"nothing said", []string{"p progress", "s summary", "c clear"}, "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := turn(t, transcript(tt.steps...), "")
			if ok != (tt.prompt+tt.reply != "") || got.Prompt != tt.prompt || got.Answer != tt.reply || tt.id != "" && got.ID != tt.id {
				t.Errorf("the turn is %+v, %v; want %s, %q, %q", got, ok, tt.id, tt.prompt, tt.reply)
			}
			if ok && got.ID == "" {
				t.Error("the turn has no ID")
			}
		})
	}
}

// TestLastTurnTold takes the answer from the hook where the transcript does not have
// it yet, for the same turn.
func TestLastTurnTold(t *testing.T) {
	for _, steps := range [][]string{
		{"u Do it.", "a+ Looking.", "r text"},
		{"u Do it.", "a+ Looking.", "r text", "a Done."},
	} {
		got, ok := turn(t, transcript(steps...), "Done.")
		if !ok || got.ID != "id-0" || got.Prompt != "Do it." || got.Answer != "Done." {
			t.Errorf("%q: the turn is %+v", steps, got)
		}
	}
	for _, steps := range [][]string{
		{"u Do it.", "a Started.", "n ended"},
		{"u Do it.", "a Started.", "n ended", "a It works."},
	} {
		got, ok := turn(t, transcript(steps...), "It works.")
		if !ok || got.ID != "id-2" || got.Prompt != "" || got.Answer != "It works." {
			t.Errorf("%q: the turn is %+v", steps, got)
		}
	}
}

// TestLastTurnHostile reads what is no transcript, or is being written.
func TestLastTurnHostile(t *testing.T) {
	whole := transcript("u Which port?", "a 8443.")
	for name, src := range map[string][]byte{
		"empty":              nil,
		"line breaks":        []byte("\n\n\r\n\n"),
		"garbage":            []byte("\x00\xff{{{[[\"\\\n}}}"),
		"no JSON":            []byte("hello\nworld\n"),
		"another shape":      []byte(`[1,{"type":"user"}]` + "\n" + `"user"` + "\n7\n"),
		"types are wrong":    []byte(`{"type":7,"message":"x"}` + "\n" + `{"type":"user","message":{"content":{"a":1}}}` + "\n" + `{"type":"user","uuid":[],"message":null}` + "\n"),
		"blocks are wrong":   []byte(`{"type":"user","message":{"content":["x",1,null,{"type":["text"],"text":{"a":"b"}}]}}` + "\n"),
		"deep":               []byte(`{"a":` + strings.Repeat("[", 1<<20) + "\n"),
		"a string of quotes": []byte(`{"type":"` + strings.Repeat(`\"`, 1<<19)),
	} {
		if got, ok := turn(t, src, ""); ok {
			t.Errorf("%s gives the turn %+v", name, got)
		}
	}
	for cut := range 60 { // the last line is being written
		half := append(slices.Clone(whole), transcript("u Another?")[:cut]...)
		if got, ok := turn(t, half, ""); !ok || got.Prompt != "Which port?" || got.Answer != "8443." {
			t.Fatalf("with %d bytes of a further line the turn is %+v", cut, got)
		}
	}
	crlf := bytes.ReplaceAll(whole, []byte("\n"), []byte("\r\n"))
	if got, ok := turn(t, crlf, ""); !ok || got.Prompt != "Which port?" {
		t.Errorf("with line ends of Windows the turn is %+v", got)
	}
	if got, ok := turn(t, bytes.TrimRight(whole, "\n"), ""); !ok || got.Answer != "8443." {
		t.Errorf("without the last line break the turn is %+v", got)
	}
	broken := io.NewSectionReader(failing{}, 0, 1<<20)
	if _, _, err := hooks.LastTurn(t.Context(), broken, 1<<20, ""); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("a file that cannot be read: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := hooks.LastTurn(ctx, bytes.NewReader(whole), int64(len(whole)), ""); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is done: %v", err)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, iotest.ErrTimeout }

// TestLongText cuts what is too long, at a character.
func TestLongText(t *testing.T) {
	for _, filler := range []string{"a", "é", "€", "😀", `"`, `\`, "\x01"} {
		for shift := range 4 {
			text := strings.Repeat("x", shift) + strings.Repeat(filler, hooks.MaxText*5/4/len(filler))
			got, ok := turn(t, transcript("u "+text, "a "+text), "")
			if !ok || len(got.Prompt) > hooks.MaxText || len(got.Answer) > hooks.MaxText {
				t.Fatalf("%q: prompt of %d, answer of %d bytes", filler, len(got.Prompt), len(got.Answer))
			}
			for _, s := range []string{got.Prompt, got.Answer} {
				kept, marked := strings.CutSuffix(s, "\n[cut]")
				if !marked || !utf8.ValidString(s) || strings.ContainsRune(s, utf8.RuneError) || !strings.HasPrefix(text, kept) || len(kept) < 100_000 {
					t.Fatalf("%q: %d bytes are kept, marked %v, ending in %q", filler, len(kept), marked, s[max(0, len(s)-20):])
				}
			}
		}
	}
}

// A sparse file is a transcript of many megabytes that takes no memory: a repeated
// line, and what is before and behind it.
type sparse struct {
	head, line, tail []byte
	n                int64
}

func (s *sparse) size() int64 {
	return int64(len(s.head)) + s.n*int64(len(s.line)) + int64(len(s.tail))
}

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) && off < s.size() {
		var part []byte
		switch middle := off - int64(len(s.head)); {
		case middle < 0:
			part = s.head[off:]
		case middle < s.n*int64(len(s.line)):
			part = s.line[middle%int64(len(s.line)):]
		default:
			part = s.tail[middle-s.n*int64(len(s.line)):]
		}
		c := copy(p[n:], part)
		n, off = n+c, off+int64(c)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// allocated is what a function allocates in all, freed or not.
func allocated(fn func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// TestLongTranscript bounds what a transcript of 50 MB costs, however it is laid out.
func TestLongTranscript(t *testing.T) {
	const megabyte = 1 << 20
	progress := transcript("p " + strings.Repeat("much ado ", 2000))
	results := transcript("r " + strings.Repeat("much ado ", 2000))
	many := func(line []byte) int64 { return 50 * megabyte / int64(len(line)) }
	// One line of 40 MB, of which the middle is repeated.
	longLine := func(step string) (head, tail []byte) {
		src := transcript(step)
		head, tail, _ = bytes.Cut(src, []byte("FILLER"))
		return head, tail
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	resultHead, resultTail := longLine("r FILLER")
	promptHead, promptTail := longLine("u FILLER")
	image, _ := json.Marshal(map[string]any{"uuid": "id-image", "type": "user", "message": map[string]any{"content": []any{
		map[string]any{"source": map[string]any{"data": "FILLER"}, "type": "image"}, map[string]any{"type": "text", "text": "What is this?"},
	}}})
	imageHead, imageTail, _ := bytes.Cut(append(image, '\n'), []byte("FILLER"))
	question, answer := transcript("u Which port?"), transcript("a 8443.")
	for _, tt := range []struct {
		name    string
		file    sparse
		prompt  string
		most    int64 // bytes that may be allocated
		reading int64 // bytes that may be read
	}{
		{"a turn at the end", sparse{nil, progress, join(question, answer), many(progress)}, "Which port?", megabyte, megabyte},
		{"a turn as long as the file", sparse{question, progress, answer, many(progress)}, "Which port?", 4 * megabyte, 120 * megabyte},
		{"the same, of results", sparse{question, results, answer, many(results)}, "Which port?", 8 * megabyte, 120 * megabyte},
		{"a line of 40 MB", sparse{join(question, resultHead), bytes.Repeat([]byte("x"), 1000), join(resultTail, answer), 40_000}, "Which port?", 2 * megabyte, 90 * megabyte},
		{"an image of 40 MB", sparse{imageHead, bytes.Repeat([]byte("x"), 1000), join(imageTail, answer), 40_000}, "What is this?", 2 * megabyte, 90 * megabyte},
		{"a prompt of 40 MB", sparse{promptHead, bytes.Repeat([]byte("x"), 1000), join(promptTail, answer), 40_000}, "", 16 * megabyte, 90 * megabyte},
		{"a line break for every byte", sparse{join(question, answer), []byte("\n"), nil, 5 * megabyte}, "Which port?", megabyte, 8 * megabyte},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got hooks.Turn
			var ok bool
			var err error
			count := &counter{r: &tt.file}
			used := allocated(func() { got, ok, err = hooks.LastTurn(t.Context(), count, tt.file.size(), "") })
			if err != nil || !ok || got.Answer != "8443." || tt.prompt != "" && got.Prompt != tt.prompt || got.Prompt == "" {
				t.Fatalf("the turn is %.100q, %.100q, %v, %v", got.Prompt, got.Answer, ok, err)
			}
			if used > tt.most {
				t.Errorf("%d KB were allocated, want %d at most", used>>10, tt.most>>10)
			}
			if count.n > tt.reading {
				t.Errorf("%d KB were read, want %d at most", count.n>>10, tt.reading>>10)
			}
			t.Logf("%d MB: %d KB allocated, %d KB read", tt.file.size()>>20, used>>10, count.n>>10)
		})
	}
}

type counter struct {
	r io.ReaderAt
	n int64
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.n += int64(n)
	return n, err
}

// TestLines holds the reader of lines to splitting the text, at the edges of blocks.
func TestLines(t *testing.T) {
	for _, size := range []int{0, 1, 2, hooks.BlockSize - 1, hooks.BlockSize, hooks.BlockSize + 1, 2 * hooks.BlockSize, hooks.HeldLine + 1} {
		for _, text := range []string{"", "\n", "a", "a\n", "\na", "a\nb", "a\n\nb\n"} {
			src := text + strings.Repeat("x", size) + text + "\n" + text
			var want []string
			for _, l := range strings.Split(src, "\n") {
				if l != "" {
					want = append(want, l)
				}
			}
			slices.Reverse(want)
			got, _, err := hooks.Lines(t.Context(), strings.NewReader(src), int64(len(src)))
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("%d and %q: %d lines, %v, want %d", size, text, len(got), err, len(want))
			}
		}
	}
}

// FuzzRecord holds the two ways to read a line to each other, and both, where the
// line is JSON, to encoding/json.
func FuzzRecord(f *testing.F) {
	for line := range bytes.Lines(transcript("u Which port?", "ub é😀", "a+ Said.", "r text", "m x", "n x", "p x", "x x")) {
		f.Add(line, uint8(3))
	}
	f.Add([]byte(`{"type":"user","message":{"content":"a\u00e9\ud83d\ude00\"\\b"}}`), uint8(1))
	f.Add([]byte(`{"type":"user","message":{"content":[{"type":"text","text":"`), uint8(7))
	f.Fuzz(func(t *testing.T, line []byte, room uint8) {
		held, err := hooks.ReadRecord(line, nil, 0)
		streamed, errStreamed := hooks.ReadRecord(nil, bytes.NewReader(line), int(room)+1)
		if (err == nil) != (errStreamed == nil) || err == nil && held != streamed {
			t.Fatalf("held %+v, %v; streamed %+v, %v", held, err, streamed, errStreamed)
		}
		if !utf8.ValidString(held.Typed + held.Said) {
			t.Fatalf("%+v is not UTF-8", held)
		}
		if json.Valid(line) && err != nil && bytes.HasPrefix(bytes.TrimSpace(line), []byte("{")) && !errors.Is(err, io.ErrUnexpectedEOF) && utf8.Valid(line) {
			t.Fatalf("%q is an object: %v", line, err)
		}
	})
}
