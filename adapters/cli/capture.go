package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/atocore/atocore"
)

type captureCmd struct {
	Prompt   string `placeholder:"TEXT" help:"What was asked."`
	Response string `placeholder:"TEXT" help:"What was answered."`
	Project  string `placeholder:"P" help:"Project, by name or alias; none is global."`
	Session  string `placeholder:"ID" help:"The conversation."`
	Turn     string `placeholder:"ID" help:"The turn in it. The same one captured again changes nothing."`
	Client   string `placeholder:"NAME" help:"The program it happened in."`
	Time     when   `placeholder:"TIME" help:"When it happened. The default is now."`
}

func (captureCmd) Help() string {
	return `Without --prompt and --response it reads one JSON object from standard input, with the keys that interactions --json prints: prompt, response, project, session, turn, client, metadata, created_at; id and actor, which the store gives, are ignored. The other flags then give what the object does not.` + examples(
		`atocore capture --prompt "Which port?" --response "8443." --session s1 --client chat`,
		`echo '{"prompt":"Which port?","response":"8443."}' | atocore capture --project website`,
	)
}

func (c *captureCmd) Run(ctx context.Context, s *session) error {
	i := atocore.Interaction{
		Prompt: c.Prompt, Response: c.Response, Project: c.Project,
		Session: c.Session, Turn: c.Turn, Client: c.Client, CreatedAt: c.Time.t,
	}
	if c.Prompt == "" && c.Response == "" {
		src, err := s.readInput(ctx)
		if err != nil {
			return err
		}
		// Decoding over the flags lets the object win where it speaks.
		if err := decodeOne(src, &i); err != nil {
			return &atocore.InvalidError{Field: "interaction on standard input", Reason: err.Error(), Hint: "one JSON object, or --prompt and --response"}
		}
		i.ID, i.Actor = "", ""
	}
	var done atocore.Interaction
	err := s.withNew(ctx, i.Project, func(store *atocore.Store) (err error) {
		done, err = store.Capture(ctx, i)
		return err
	})
	if err != nil {
		return err
	}
	return s.out.put(done, func() { s.interactionLine(done) })
}

// decodeOne decodes src, one JSON value without keys that v does not have. It
// refuses text that encoding/json would rewrite without a word.
func decodeOne(src []byte, v any) error {
	if !utf8.Valid(src) {
		return fmt.Errorf("is not UTF-8")
	}
	if escape := loneSurrogate(src); escape != "" {
		return fmt.Errorf("has %s, half of a pair, which is no character", escape)
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err == io.EOF {
		return fmt.Errorf("is empty")
	} else if err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("has more than one value")
	}
	return nil
}

// loneSurrogate finds an escape such as \ud800 without its other half. In
// JSON a backslash occurs in strings alone, so what is around does not matter.
func loneSurrogate(src []byte) string {
	for i := 0; i < len(src); i++ {
		if src[i] != '\\' {
			continue
		}
		r, ok := escaped(src[i:])
		if !ok {
			i++ // the escaped character, which may be a backslash
			continue
		}
		if utf16.IsSurrogate(r) {
			low, _ := escaped(src[i+6:])
			if utf16.DecodeRune(r, low) == utf8.RuneError {
				return string(src[i : i+6])
			}
			i += 6
		}
		i += 5
	}
	return ""
}

// escaped is the code unit of the \uXXXX that src begins with.
func escaped(src []byte) (r rune, ok bool) {
	if len(src) < 6 || src[0] != '\\' || src[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(src[2:6]), 16, 16)
	return rune(n), err == nil
}

func (s *session) interactionLine(i atocore.Interaction) {
	s.out.line("%-26s  %s  %-12s  %-12s  %s", i.ID, moment(i.CreatedAt), orDash(i.Client), orDash(i.Session), oneLine(i.Prompt, maxCell))
}
