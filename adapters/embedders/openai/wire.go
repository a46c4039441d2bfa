package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// question is the body of a request.
func (e *Embedder) question(texts []string) ([]byte, error) {
	q := map[string]any{}
	switch e.endpoint.route {
	case routeTEI:
		q["inputs"] = texts
		q["truncate"] = !e.opts.NoShorten
	case routeOllama:
		q["truncate"] = !e.opts.NoShorten
		fallthrough
	default:
		q["model"], q["input"] = e.opts.Model, texts
	}
	if e.opts.RequestDimensions {
		q["dimensions"] = e.opts.Dimensions
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(q); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// An embedding is one element of an answer.
type embedding struct {
	Index  *int   `json:"index"`
	Vector vector `json:"embedding"`
}

// parseAnswer reads the vectors of n texts, in their order. The shapes:
//
//	{"data":[{"index":0,"embedding":[…] or base64}]}   OpenAI and most others
//	{"embeddings":[[…]]}                               Ollama, /api/embed
//	[[…]]                                              Text Embeddings Inference, /embed
//	[{"index":0,"embedding":[[…]] or […]}]             llama.cpp, /embedding
func parseAnswer(body []byte, n int) ([][]float32, error) {
	body = bytes.TrimSpace(body)
	var list []embedding
	if len(body) > 0 && body[0] == '[' {
		var raw []json.RawMessage
		if err := json.Unmarshal(body, &raw); err != nil {
			return nil, notJSON(err)
		}
		for _, r := range raw {
			var el embedding
			var err error
			if r[0] == '[' {
				err = json.Unmarshal(r, &el.Vector)
			} else {
				err = json.Unmarshal(r, &el)
			}
			if err != nil {
				return nil, notJSON(err)
			}
			list = append(list, el)
		}
	} else {
		var object struct {
			Data       []embedding `json:"data"`
			Embeddings []vector    `json:"embeddings"`
		}
		if err := json.Unmarshal(body, &object); err != nil {
			return nil, notJSON(err)
		}
		list = object.Data
		for _, v := range object.Embeddings {
			list = append(list, embedding{Vector: v})
		}
	}
	return inOrder(list, n)
}

// notJSON keeps what the server sent, which may be anything, out of the error.
func notJSON(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("the answer is not JSON, at byte %d", syntax.Offset)
	}
	if bad, ok := errors.AsType[*vectorError](err); ok {
		return bad
	}
	return errors.New("the answer has not the form of embeddings")
}

// inOrder puts each vector where its index says; where no element has an index
// they are in order already.
func inOrder(list []embedding, n int) ([][]float32, error) {
	if len(list) != n {
		return nil, fmt.Errorf("the answer has %d vectors for %d texts", len(list), n)
	}
	out := make([][]float32, n)
	for i, el := range list {
		at := i
		if el.Index != nil {
			at = *el.Index
		}
		if at < 0 || at >= n || out[at] != nil || (el.Index == nil) != (list[0].Index == nil) {
			return nil, fmt.Errorf("the answer's indexes are not those of %d texts", n)
		}
		out[at] = el.Vector
		if out[at] == nil {
			out[at] = []float32{}
		}
	}
	return out, nil
}

// A vector is read from a list of numbers, from base64 of little-endian float32,
// and from a list with one list, which is how llama.cpp sends one that is pooled.
type vector []float32

type vectorError struct{ reason string }

func (e *vectorError) Error() string { return e.reason }

func (v *vector) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	switch {
	case len(b) > 0 && b[0] == '"':
		var text string
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(raw)%4 != 0 {
			return &vectorError{"a vector is not base64 of 32-bit floats"}
		}
		*v = make(vector, len(raw)/4)
		for i := range *v {
			(*v)[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		return nil
	case len(b) > 1 && b[0] == '[':
		inner := bytes.TrimSpace(b[1 : len(b)-1])
		if len(inner) > 0 && inner[0] == '[' {
			var lists []vector
			if err := json.Unmarshal(b, &lists); err != nil {
				return err
			}
			if len(lists) != 1 {
				return &vectorError{fmt.Sprintf("a text has %d vectors, one a token: start the server with pooling", len(lists))}
			}
			*v = lists[0]
			return nil
		}
		return v.parse(inner)
	}
	return &vectorError{"a vector is no list of numbers"}
}

// parse reads numbers with commas between them. A null is how some servers
// write what is not a number.
func (v *vector) parse(list []byte) error {
	*v = make(vector, 0, bytes.Count(list, []byte{','})+1)
	for len(list) > 0 {
		item, rest, _ := bytes.Cut(list, []byte{','})
		list = rest
		item = bytes.TrimSpace(item)
		if string(item) == "null" {
			*v = append(*v, float32(math.NaN()))
			continue
		}
		f, err := strconv.ParseFloat(string(item), 32)
		if err != nil && !errors.Is(err, strconv.ErrRange) { // infinite then, and found to be so
			return &vectorError{"a vector has something in it that is no number"}
		}
		*v = append(*v, float32(f))
	}
	return nil
}

// maxMessage is how much of a server's message an error shows, in bytes.
const maxMessage = 200

// message is what a server's answer says of an error, on one line and shortened,
// without the texts that it was asked about. The shapes: {"error":{"message":…}}
// of OpenAI, llama.cpp and vLLM, {"error":…} of Ollama and Text Embeddings
// Inference, {"message":…} and {"detail":…} of others.
func message(body []byte, texts []string, key string) string {
	var doc struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	text := ""
	if json.Unmarshal(body, &doc) == nil {
		var inner struct {
			Message string `json:"message"`
		}
		switch {
		case json.Unmarshal(doc.Error, &text) == nil && text != "":
		case json.Unmarshal(doc.Error, &inner) == nil && inner.Message != "":
			text = inner.Message
		case doc.Message != "":
			text = doc.Message
		default:
			_ = json.Unmarshal(doc.Detail, &text) // a list of problems repeats the input
		}
	} else if !bytes.Contains(body, []byte("<")) { // a page of a proxy says nothing to anybody
		text = string(body)
	}
	if key != "" {
		text = strings.ReplaceAll(text, key, "…")
	}
	return oneLine(without(text, texts))
}

// without takes out of a message what it quotes of the texts: every run of it of
// some length that is in one of them as well.
func without(message string, texts []string) string {
	const run = 12 // bytes; less is coincidence
	var b strings.Builder
	for i := 0; i < len(message); {
		n := 0
		for _, t := range texts {
			n = max(n, quoted(message[i:], t, run))
		}
		if n == 0 {
			b.WriteByte(message[i])
			i++
			continue
		}
		b.WriteString("…")
		i += n
	}
	return b.String()
}

// quoted is how long the beginning of message is that is found in text, or 0
// where it is shorter than run.
func quoted(message, text string, run int) int {
	if len(message) < run {
		return 0
	}
	best := 0
	for from := 0; ; {
		at := strings.Index(text[from:], message[:run])
		if at < 0 {
			return best
		}
		n := run
		for from+at+n < len(text) && n < len(message) && text[from+at+n] == message[n] {
			n++
		}
		best = max(best, n)
		from += at + 1
	}
}

func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "…"), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if len(s) <= maxMessage {
		return s
	}
	cut := maxMessage
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
