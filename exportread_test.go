package atocore_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// An export that is cut short, anywhere, or in which a byte has changed, is noticed,
// and nothing of it is written.
func TestReadDamagedExport(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	fillAll(t, s, clk)
	quick := &atocore.Options{Durability: atocore.Normal, NoEmbedder: true}
	to := openStore(t, quick)
	before := digest(t, to)
	for _, journal := range []bool{false, true} {
		data := exported(t, s, &atocore.ExportOptions{Journal: journal})
		load := func(data []byte) error {
			e, err := atocore.ReadExport(bytes.NewReader(data))
			switch {
			case err != nil:
				return err
			case e.IsJournal():
				return to.ReplayExport(t.Context(), e)
			}
			report, err := to.Import(t.Context(), e.Records(), nil)
			if err == nil && len(report.Skipped) > 0 {
				return errors.New(report.Skipped[0].Reason)
			}
			return err
		}
		for n := 1; n < len(data); n += len(data) / 23 {
			if err := load(data[:n]); !errors.Is(err, atocore.ErrInvalid) {
				t.Errorf("cut after %d of %d bytes: got %v", n, len(data), err)
			}
			changed := bytes.Clone(data)
			changed[n] ^= 1
			if err := load(changed); err == nil {
				t.Errorf("with byte %d another: it is taken", n)
			}
		}
		lines := bytes.SplitAfter(data, []byte("\n"))
		lines = lines[:len(lines)-1]
		for i := 1; i < len(lines); i++ {
			if err := load(bytes.Join(append(lines[:i:i], lines[i+1:]...), nil)); !errors.Is(err, atocore.ErrInvalid) {
				t.Errorf("without line %d of %d: got %v", i+1, len(lines), err)
			}
		}
		if err := load(append(bytes.Clone(data), lines[1]...)); err == nil || !strings.Contains(err.Error(), "after the end") {
			t.Errorf("with a line after the end: got %v", err)
		}
		if got := digest(t, to); got != before {
			t.Fatal("a damaged export has changed the store")
		}
		if err := load(data); err != nil {
			t.Errorf("whole: %v", err)
		}
		to = openStore(t, quick)
	}
}

// What is wrong with a line is said with its number.
func TestReadBadLines(t *testing.T) {
	const header = `{"atocore_export":1,"content":"records","schema":3,"created":"2026-03-01T12:00:00Z","digest":""}` + "\n"
	const good = `{"memory":{"type":"knowledge","content":"x"}}` + "\n"
	for _, test := range []struct{ in, want string }{
		{good + "{\n", "invalid line 2: is not JSON: it ends too early"},
		{good + "\n\nhello\n", "invalid line 4: is not JSON: invalid character 'h'"},
		{good + "[]\n", "invalid line 2: has a array for the line"},
		{good + "{}\n", "invalid line 2: invalid record: holds nothing"},
		{good + `{"text":"x"}`, "invalid line 2: invalid record: holds nothing"},
		{good + strings.TrimSpace(good) + "x\n", `invalid line 2: has "x" after the record`},
		{good + strings.TrimSpace(good) + good, `invalid line 2: has "{\"memory\"`},
		{`{"memory":{"type":"knowledge","contents":"x"}}`, `invalid line 1: has the field "contents", which is not known`},
		{`{"note":{}}`, `invalid line 1: has the field "note", which is not known`},
		{`{"memory":{"content":7}}`, "invalid line 1: has a number for memory.content"},
		{`{"memory":{"created_at":"yesterday"}}`, "invalid line 1: parsing time"},
		{`{"document":{"path":"a"},"original":"*"}`, "invalid line 1: illegal base64"},
		{`{"project":{"name":"p"},"memory":{}}`, "invalid line 1: invalid record: holds project and memory"},
		{good + `{"entry":{"seq":1}}`, "invalid line 2: is a journal entry, among records"},
		{good + `{"end":{"sha256":""}}`, "invalid line 2: is the end of an export that has no beginning"},
		{good + header, `invalid line 2: has the field "atocore_export"`},
		{`{"atocore_export":2}`, "invalid atocore_export: is version 2, not 1"},
		{`{"atocore_export":"x"}`, "invalid line 1: has a string for atocore_export"},
		{`{"atocore_export":1,"content":"everything"}`, `invalid content: "everything" is not known`},
		{header, "invalid export: is cut short: it ends after line 1"},
		{header + good, "invalid export: is cut short: it ends after line 2"},
		{header + good + `{"end":{"records":{},"sha256":"00"}}`, "invalid export: is not as it was written"},
		{strings.Replace(header, "records", "journal", 1), "invalid content: is a journal"},
		{"PK\x03\x04", "invalid line 1: is not JSON"},
		{strings.Repeat("[", 20_000), "invalid line 1: "},
		{"\xff\xfe{\x00", "invalid line 1: is not JSON"},
	} {
		n, last := 0, error(nil)
		for _, err := range atocore.ReadRecords(strings.NewReader(test.in)) {
			n++
			last = err
		}
		if last == nil || !errors.Is(last, atocore.ErrInvalid) || !strings.Contains(last.Error(), test.want) || len(last.Error()) > 500 {
			t.Errorf("%.80q: got %v, want %s", test.in, last, test.want)
		}
		if n > 2 {
			t.Errorf("%.80q: goes on behind the error", test.in)
		}
	}
	broken := errors.New("broken pipe")
	for _, err := range atocore.ReadRecords(io.MultiReader(strings.NewReader(good+`{"me`), iotest.ErrReader(broken))) {
		if err != nil && (!errors.Is(err, broken) || !strings.Contains(err.Error(), "line 2")) {
			t.Errorf("got %v", err)
		}
	}
	// A line without end takes no more memory than the longest there may be.
	defer atocore.SetMaxLine(2 << 20)()
	for _, err := range atocore.ReadRecords(endless{}) {
		if !errors.Is(err, atocore.ErrInvalid) || !strings.Contains(err.Error(), "line 1: is longer than 2 MiB") {
			t.Errorf("got %v", err)
		}
	}
	e := must(atocore.ReadExport(strings.NewReader(good)))(t)
	collect(t, e.Records())
	if _, err := first(e.Records()); err == nil {
		t.Error("an export is read twice")
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// A file by hand needs neither a first nor a last line, nor IDs, nor times.
func TestReadRecordsByHand(t *testing.T) {
	const hand = "\ufeff" + `{"memory":{"type":"preference","content":"Answers are short."}}` + "\r\n\r\n" + `
  {"key": "ferry", "memory": {"type": "knowledge", "content": "The ferry leaves on Thursdays.", "project": "harbour"}}
{"state":{"project":"harbour","key":"berth","value":"4"}}
{"document":{"path":"notes/crane.md","project":"harbour"},"text":"# Crane\n\nBy berth 4.\n"}
` + "{\"memory\":{\"type\":\"knowledge\",\"content\":\"Latin-1: \xfc\"}}\n" + `{"memory":{"type":"note","content":"x"}}
{"memory":{"type":"knowledge","content":"half \ud83d"}}
{"memory":{"type":"knowledge","content":"whole \ud83d\ude00, and \\ud83d"}}
{"interaction":{"prompt":"When?","response":"On Thursdays."}}`
	s := openStore(t, nil)
	report := must(s.Import(t.Context(), atocore.ReadRecords(strings.NewReader(hand)), nil))(t)
	want := atocore.ImportReport{ID: report.ID, Added: 6, Projects: []string{"harbour"}, Skipped: []atocore.SkippedRecord{
		{Key: "line 7", Reason: "invalid record: is not UTF-8 at offset 50 of its line (convert it first)"},
		{Key: "x", Reason: `invalid type: "note" is not a memory type (use one of identity, preference, project, episodic, knowledge, adaptation)`},
		{Key: "line 9", Reason: `invalid record: has \ud83d at offset 46 of its line, half of a pair (escape the whole character, or write it as it is)`},
	}}
	if d := cmp.Diff(want, report); d != "" {
		t.Errorf("report (-want +got):\n%s", d)
	}
	again := must(s.Import(t.Context(), atocore.ReadRecords(strings.NewReader(hand)), nil))(t)
	if again.Unchanged != 6 || again.ID != "" {
		t.Errorf("a second time: %+v", again)
	}
	changed := strings.Replace(hand, "leaves on Thursdays.", "leaves on Fridays.", 1)
	if report := must(s.Import(t.Context(), atocore.ReadRecords(strings.NewReader(changed)), nil))(t); report.Updated != 1 || report.Added != 0 {
		t.Errorf("changed: %+v", report)
	}
	for _, empty := range []string{"", "\n\n", "\ufeff"} {
		if report := must(s.Import(t.Context(), atocore.ReadRecords(strings.NewReader(empty)), nil))(t); report.ID != "" {
			t.Errorf("an empty file: %+v", report)
		}
	}
}

// A journal that contradicts itself, or says something else than its header, is
// refused, and leaves neither records nor originals.
func TestReplayHostileExport(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	fillAll(t, s, clk)
	data := string(exported(t, s, &atocore.ExportOptions{Journal: true}))
	dir := t.TempDir()
	to := openStoreIn(t, dir, nil)
	before := digest(t, to)
	sealed := func(text string) string { // with the hash that it has to have
		lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
		body := strings.Join(lines[:len(lines)-1], "")
		return body + `{"end":{"records":{},"sha256":"` + sumOf(body) + `"}}` + "\n"
	}
	lines := recordLines([]byte(data))
	for name, text := range map[string]string{
		"another digest":      strings.Replace(data, digest(t, s), strings.Repeat("0", 64), 1),
		"an entry twice":      strings.Replace(data, lines[1], lines[1]+"\n"+lines[1], 1),
		"an entry less":       strings.Replace(data, lines[2]+"\n", "", 1),
		"a record":            strings.Replace(data, lines[2], `{"memory":{"type":"knowledge","content":"x"}}`, 1),
		"nothing":             strings.Replace(data, lines[2], `{}`, 1),
		"an unknown entity":   strings.Replace(data, `"entity":"project"`, `"entity":"sandwich"`, 1),
		"a payload of no use": strings.Replace(data, `"after":{"name"`, `"after":{"nom"`, 1),
		"no payload":          strings.Replace(data, lines[1], `{"entry":{"seq":1,"time":"2026-03-01T12:00:00Z","actor":"","op":"x","entity":"project","entity_id":"p","after":null}}`, 1),
	} {
		e, err := atocore.ReadExport(strings.NewReader(sealed(text)))
		if err == nil {
			err = to.ReplayExport(t.Context(), e)
		}
		if !errors.Is(err, atocore.ErrInvalid) && !errors.Is(err, atocore.ErrCorrupt) {
			t.Errorf("%s: got %v", name, err)
		}
		if digest(t, to) != before {
			t.Fatalf("%s: has changed the store", name)
		}
		if files, _ := filepath.Glob(filepath.Join(dir, "files", "*", "*")); len(files) > 0 {
			t.Errorf("%s: leaves %v", name, files)
		}
	}
	if err := to.ReplayExport(t.Context(), must(atocore.ReadExport(strings.NewReader("{}")))(t)); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("records: %v", err)
	}
	if err := to.ReplayExport(t.Context(), must(atocore.ReadExport(strings.NewReader(sealed(data))))(t)); err != nil {
		t.Errorf("as it was: %v", err)
	}
}
