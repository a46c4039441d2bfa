package evaluation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// A Document is one text that questions are answered from.
type Document struct {
	ID      string // unique in the set; one that ends as a Markdown file's name is of a Markdown page
	Title   string
	Text    string
	Scope   string // whose memory it is: the project that it is stored in
	Session string // the conversation that it is a turn of
	Speaker string
	Time    time.Time // when it was said or written, in UTC
}

// A Question is one question.
type Question struct {
	ID       string // unique in the set
	Text     string
	Category string // what is summed up together; may be empty
	Scope    string // only documents of this scope, and of none, are asked; empty asks all
}

// ReadCorpus reads documents: a JSON object a line, with the keys id and text
// and, where there is one, title, scope, session, speaker and time
// ("2023-05-08T13:56", a date, or RFC 3339).
func ReadCorpus(name string) ([]Document, error) {
	var out []Document
	err := readFile(name, corpusLine(name, &out))
	return out, err
}

// ReadQuestions reads questions: a JSON object a line, with the keys id and
// text and, where there is one, category and scope.
func ReadQuestions(name string) ([]Question, error) {
	var out []Question
	err := readFile(name, questionLine(name, &out))
	return out, err
}

// A jsonLine is a line of either file. Other keys are for other programs.
type jsonLine struct {
	ID       *string `json:"id"`
	BEIR     *string `json:"_id"` // how the BEIR collection calls it
	Text     *string `json:"text"`
	Title    string  `json:"title"`
	Scope    string  `json:"scope"`
	Session  string  `json:"session"`
	Speaker  string  `json:"speaker"`
	Time     string  `json:"time"`
	Category string  `json:"category"`
}

// objects decodes the lines of one file, in which no ID occurs twice.
type objects struct {
	file string
	seen map[string]int // the line of each ID
}

func (o *objects) decode(n int, text string) (jsonLine, error) {
	var v jsonLine
	dec := json.NewDecoder(strings.NewReader(text))
	if err := dec.Decode(&v); err != nil {
		field := ""
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
			return v, o.fault(n, wrong.Field, "is a "+wrong.Value+", not a string")
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("ends within a value")
		}
		return v, o.fault(n, field, "is no JSON object on one line: "+err.Error())
	}
	if dec.More() {
		return v, o.fault(n, "", "is more than one JSON object")
	}
	if v.ID == nil {
		v.ID = v.BEIR
	}
	switch {
	case v.ID == nil || *v.ID == "":
		return v, o.fault(n, "id", "is missing")
	case v.Text == nil:
		return v, o.fault(n, "text", "is missing")
	case o.seen[*v.ID] > 0:
		return v, o.fault(n, "id", fmt.Sprintf("%q is that of line %d as well", *v.ID, o.seen[*v.ID]))
	}
	o.seen[*v.ID] = n
	return v, nil
}

func (o *objects) fault(n int, field, reason string) error {
	return &FileError{File: o.file, Line: n, Field: field, Reason: reason}
}

func corpusLine(name string, out *[]Document) func(int, string) error {
	o := objects{file: name, seen: map[string]int{}}
	return func(n int, text string) error {
		v, err := o.decode(n, text)
		if err != nil {
			return err
		}
		d := Document{ID: *v.ID, Title: v.Title, Text: *v.Text, Scope: v.Scope, Session: v.Session, Speaker: v.Speaker}
		if v.Time != "" {
			var ok bool
			if d.Time, ok = parseTime(v.Time); !ok {
				return o.fault(n, "time", fmt.Sprintf("%q is no time; write 2023-05-08T13:56 or 2023-05-08", v.Time))
			}
		}
		*out = append(*out, d)
		return nil
	}
}

func questionLine(name string, out *[]Question) func(int, string) error {
	o := objects{file: name, seen: map[string]int{}}
	return func(n int, text string) error {
		v, err := o.decode(n, text)
		if err != nil {
			return err
		}
		if strings.TrimSpace(*v.Text) == "" {
			return o.fault(n, "text", "is empty")
		}
		*out = append(*out, Question{ID: *v.ID, Text: *v.Text, Category: v.Category, Scope: v.Scope})
		return nil
	}
}

// parseTime reads a time; one without an offset is taken for UTC.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02T15:04", time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateTime} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
