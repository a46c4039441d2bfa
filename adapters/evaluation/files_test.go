package evaluation_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/evaluation"
)

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReadCorpus(t *testing.T) {
	const text = `{"id":"a/1","text":"One.","title":"T","scope":"a","session":"a/S","speaker":"Ines","time":"2025-03-04T09:15","more":[1]}` + "\r\n" +
		"\n" + `{"_id":"b","text":"","time":"2025-03-04"}` + "\n"
	want := []evaluation.Document{
		{ID: "a/1", Text: "One.", Title: "T", Scope: "a", Session: "a/S", Speaker: "Ines", Time: time.Date(2025, 3, 4, 9, 15, 0, 0, time.UTC)},
		{ID: "b", Time: time.Date(2025, 3, 4, 0, 0, 0, 0, time.UTC)},
	}
	for name, content := range map[string]string{"corpus.jsonl": text, "corpus.jsonl.gz": zipped(t, text), "zipped.jsonl": zipped(t, text), "mark.jsonl": "\ufeff" + text} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		got, err := evaluation.ReadCorpus(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestFaultsAreLocated gives each reader what it cannot read, behind a good line.
func TestFaultsAreLocated(t *testing.T) {
	corpus := func(r io.Reader) error { _, err := evaluation.CorpusFrom(r); return err }
	questions := func(r io.Reader) error { _, err := evaluation.QuestionsFrom(r); return err }
	labels := func(r io.Reader) error { _, err := evaluation.LabelsFrom(r); return err }
	spans := func(r io.Reader) error { _, err := evaluation.SpansFrom(r); return err }
	run := func(r io.Reader) error { _, err := evaluation.RunFrom(r); return err }
	const object, label, span, answer = `{"id":"a","text":"x"}`, "q\td\t1", "q\td\t1\t2", "q Q0 d 1 0.5 t"
	tests := []struct {
		read             func(io.Reader) error
		good, bad, field string
	}{
		{corpus, object, `{"text":"x"}`, "id"},
		{corpus, object, `{"id":"","text":"x"}`, "id"},
		{corpus, object, `{"id":"a","text":"x"}`, "id"}, // twice
		{corpus, object, `{"id":7,"text":"x"}`, "id"},
		{corpus, object, `{"id":"b"}`, "text"},
		{corpus, object, `{"id":"b","text":["x"]}`, "text"},
		{corpus, object, `{"id":"b","text":"x","time":"yesterday"}`, "time"},
		{corpus, object, `{"id":"b","text":"x`, ""},
		{corpus, object, `{"id":"b","text":"x"} {}`, ""},
		{corpus, object, `[]`, ""},
		{corpus, object, "{\"id\":\"b\",\"text\":\"\xff\"}", ""},
		{questions, object, `{"id":"b","text":" "}`, "text"},
		{questions, object, `{"id":"b"}`, "text"},
		{labels, label, "q\td", ""},
		{labels, label, "q\td\t1\t2\t3", ""},
		{labels, label, "q\td\thigh", "grade"},
		{labels, label, "qid\tdocid\tgrade", "grade"}, // headings belong on the first line
		{spans, span, "q\td\t1", ""},
		{spans, span, "q\td\t5\t5", "range"},
		{spans, span, "q\td\t-1\t5", "range"},
		{spans, span, "q\td\t1\tend", "range"},
		{run, answer, "q Q0 d 1 0.5", ""},
		{run, answer, "q Q0 d first 0.5 t", "rank"},
		{run, answer, "q Q0 d 1 NaN t", "score"},
		{run, answer, "q Q0 d 1 high t", "score"},
	}
	for _, test := range tests {
		if err := test.read(strings.NewReader(test.good + "\n")); err != nil {
			t.Fatalf("%q: %v", test.good, err)
		}
		err := test.read(strings.NewReader(test.good + "\n\n" + test.bad + "\n"))
		fault, ok := errors.AsType[*evaluation.FileError](err)
		if !ok || !errors.Is(err, atocore.ErrInvalid) {
			t.Errorf("%q: %v, want a *FileError", test.bad, err)
			continue
		}
		if fault.File != "input" || fault.Line != 3 || fault.Field != test.field || fault.Reason == "" {
			t.Errorf("%q: %+v, want line 3, field %q", test.bad, fault, test.field)
		}
	}
}

func TestTruncatedGzip(t *testing.T) {
	whole := zipped(t, strings.Repeat(`{"id":"a","text":"x"}`, 1)+"\n")
	for _, n := range []int{5, len(whole) - 4} {
		if _, err := evaluation.CorpusFrom(strings.NewReader(whole[:n])); !errors.Is(err, atocore.ErrInvalid) {
			t.Errorf("%d bytes of %d: %v", n, len(whole), err)
		}
	}
}

func TestReadLabels(t *testing.T) {
	want := evaluation.Labels{"q1": {"d 1": 2, "e": 0}, "q2": {"d": 1}}
	got, err := evaluation.LabelsFrom(strings.NewReader("query-id\tcorpus-id\tscore\nq1\td 1\t1\nq1\td 1\t2\nq1\td 1\t1\nq1\te\t-3\nq2 0 d 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadSetRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	corpus, queries := file("corpus.jsonl", `{"id":"a","text":"x"}`), file("queries.jsonl", `{"id":"q","text":"x"}`)
	for name, labels := range map[string]string{
		"none relevant":   file("zero.tsv", "q\ta\t0\n"),
		"other questions": file("other.tsv", "p\ta\t1\n"),
		"empty":           file("empty.tsv", ""),
	} {
		if _, err := evaluation.ReadSet(corpus, queries, labels, evaluation.Documents); !errors.Is(err, atocore.ErrInvalid) || !strings.Contains(err.Error(), labels) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := evaluation.ReadSet(corpus, queries, filepath.Join(dir, "nowhere.tsv"), evaluation.Documents); !errors.Is(err, atocore.ErrNotFound) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := evaluation.ReadSet(corpus, queries, corpus, "pages"); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("an unknown unit: %v", err)
	}
}

func TestRunRoundTrip(t *testing.T) {
	run := evaluation.Run{
		"q1": {{ID: "a/1", Score: 1.0 / 3}, {ID: "ä", Score: 1e-300}, {ID: "c", Score: 1e-300}},
		"q2": {{ID: "a/1", Score: -2}},
	}
	var b strings.Builder
	if err := run.Write(&b, "test"); err != nil {
		t.Fatal(err)
	}
	got, err := evaluation.RunFrom(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(run, got); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	for _, id := range []string{"", "a b", "a\u00a0b"} {
		if err := (evaluation.Run{"q": {{ID: id}}}).Write(io.Discard, "test"); err == nil {
			t.Errorf("an ID %q was written", id)
		}
	}
}
