package openai_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
	"github.com/atocore/atocore/adapters/embedders/openai"
)

// TestRetries has a server that fails at first.
func TestRetries(t *testing.T) {
	for _, status := range []int{408, 425, 429, 500, 502, 503, 504} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, q question, n int) {
				if n < 2 {
					write(w, status, object{"error": object{"message": "not now"}})
					return
				}
				asOpenAI(w, q, n)
			})
			e := newEmbedder(t, openai.Options{BaseURL: s.URL, Retries: 2})
			got, err := e.Embed(t.Context(), []string{"sea"}, atocore.ForDocument)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]float32{floats("sea")}, got); diff != "" {
				t.Error(diff)
			}

			fewer := serve(t, func(w http.ResponseWriter, q question, n int) { write(w, status, object{"error": "not now"}) })
			for retries, want := range map[int]int{1: 2, -1: 1} {
				before := len(fewer.questions())
				_, err := newEmbedder(t, openai.Options{BaseURL: fewer.URL, Retries: retries}).Embed(t.Context(), []string{"sea"}, atocore.ForDocument)
				if err == nil || !strings.Contains(err.Error(), fmt.Sprint(status)) || !strings.Contains(err.Error(), "not now") {
					t.Errorf("error %v, want one with the status and the message", err)
				}
				if got := len(fewer.questions()) - before; got != want {
					t.Errorf("%d retries: %d requests, want %d", retries, got, want)
				}
			}
		})
	}
}

// TestNoRetry has answers that will not be others.
func TestNoRetry(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 413, 422, 301, 204} {
		s := serve(t, func(w http.ResponseWriter, q question, n int) { write(w, status, object{"message": "no"}) })
		_, err := newEmbedder(t, openai.Options{BaseURL: s.URL}).Embed(t.Context(), []string{"sea"}, atocore.ForDocument)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(status)) {
			t.Errorf("%d: error %v", status, err)
		}
		want := 1
		if status == 400 || status == 413 || status == 422 {
			want = 2 // with a word that cannot be wrong
		}
		if got := len(s.questions()); got != want {
			t.Errorf("%d: %d requests, want %d", status, got, want)
		}
	}
}

// A fakeTransport answers without a network, so that time can be a bubble's.
type fakeTransport func(n int) *http.Response

type counter struct {
	answer fakeTransport
	at     []time.Time
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	c.at = append(c.at, time.Now())
	res := c.answer(len(c.at) - 1)
	res.Request = r
	return res, nil
}

func response(status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: closing{strings.NewReader(body)}}
}

type closing struct{ *strings.Reader }

func (closing) Close() error { return nil }

const answerOfOne = `{"data":[{"index":0,"embedding":[1,2]}]}`

// TestWaits measures the waits between requests, in the time of a bubble.
func TestWaits(t *testing.T) {
	date := func(after time.Duration) string { return time.Now().Add(after).UTC().Format(http.TimeFormat) }
	for _, test := range []struct {
		name       string
		after      func() string
		from, upTo []time.Duration // of each wait
	}{
		{"back-off", func() string { return "" }, []time.Duration{time.Second / 2, time.Second, 2 * time.Second}, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}},
		{"seconds", func() string { return "7" }, []time.Duration{7 * time.Second, 7 * time.Second, 7 * time.Second}, []time.Duration{7 * time.Second, 7 * time.Second, 7 * time.Second}},
		{"a date", func() string { return date(9 * time.Second) }, []time.Duration{8 * time.Second, 8 * time.Second, 8 * time.Second}, []time.Duration{9 * time.Second, 9 * time.Second, 9 * time.Second}},
		{"a date that is past", func() string { return date(-time.Hour) }, []time.Duration{time.Second / 2}, []time.Duration{time.Second}},
		{"no time at all", func() string { return "soon" }, []time.Duration{time.Second / 2}, []time.Duration{time.Second}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &counter{answer: func(n int) *http.Response {
					if n < len(test.from) {
						return response(429, http.Header{"Retry-After": {test.after()}}, "")
					}
					return response(200, nil, answerOfOne)
				}}
				e := newEmbedder(t, openai.Options{BaseURL: "http://localhost:1", Dimensions: 2, Backoff: time.Second, Client: &http.Client{Transport: c}})
				if _, err := e.Embed(t.Context(), []string{"sea"}, atocore.ForDocument); err != nil {
					t.Fatal(err)
				}
				for i := range test.from {
					if wait := c.at[i+1].Sub(c.at[i]); wait < test.from[i] || wait > test.upTo[i] {
						t.Errorf("wait %d is %v, want %v to %v", i, wait, test.from[i], test.upTo[i])
					}
				}
			})
		})
	}
}

// TestGivesUp has waits that are longer than there is time for.
func TestGivesUp(t *testing.T) {
	for name, test := range map[string]struct {
		after    string
		deadline time.Duration
	}{
		"the longest wait":      {"60", time.Hour},
		"the deadline":          {"10", 5 * time.Second},
		"a day that never ends": {"4294967295", time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &counter{answer: func(int) *http.Response {
					return response(503, http.Header{"Retry-After": {test.after}}, `{"error":"busy"}`)
				}}
				e := newEmbedder(t, openai.Options{BaseURL: "http://localhost:1", Dimensions: 2, Client: &http.Client{Transport: c}})
				ctx, cancel := context.WithTimeout(t.Context(), test.deadline)
				defer cancel()
				began := time.Now()
				_, err := e.Embed(ctx, []string{"sea"}, atocore.ForDocument)
				if err == nil || !strings.Contains(err.Error(), "busy") {
					t.Errorf("error %v, want the server's", err)
				}
				if waited := time.Since(began); waited != 0 || len(c.at) != 1 {
					t.Errorf("%d requests in %v, want 1 and no wait", len(c.at), waited)
				}
			})
		})
	}
}

// TestSlow has a server that does not answer.
func TestSlow(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, q question, n int) { <-release })
	t.Cleanup(func() { close(release) })

	e := newEmbedder(t, openai.Options{BaseURL: s.URL, Timeout: 20 * time.Millisecond, Retries: 1})
	_, err := e.Embed(t.Context(), []string{"sea"}, atocore.ForDocument)
	if err == nil || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("error %v, want one that says that there was no answer in time", err)
	}
	if got := len(s.questions()); got != 2 {
		t.Errorf("%d requests, want 2", got)
	}

	e = newEmbedder(t, openai.Options{BaseURL: s.URL})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := e.Embed(ctx, []string{"sea"}, atocore.ForDocument); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
	}
}

// TestRefusedConnection has no server at all, and then does not try again for a
// while.
func TestRefusedConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	attempts := 0
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		attempts++
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	e := newEmbedder(t, openai.Options{BaseURL: url, Client: &http.Client{Transport: transport}, Retries: 3})
	for i, want := range []int{4, 1, 1} {
		attempts = 0
		_, err = e.Embed(t.Context(), []string{"sea"}, atocore.ForDocument)
		if err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
			t.Errorf("error %v, want one with the address", err)
		}
		if attempts != want {
			t.Errorf("call %d: %d attempts, want %d", i, attempts, want)
		}
	}
	if _, err := openai.New(t.Context(), &openai.Options{BaseURL: url, Model: "small", Backoff: time.Microsecond}); err == nil || !strings.Contains(err.Error(), `dimensions of model "small"`) {
		t.Errorf("New: error %v, want one that says what it was asked for", err)
	}
}

// TestBadAnswers have the wrong form, number, or size.
func TestBadAnswers(t *testing.T) {
	long := "[" + strings.Repeat("1,", 1<<20) + "1]"
	for name, test := range map[string]struct{ body, want string }{
		"no JSON":            {"<html>", "not JSON"},
		"NaN":                {`{"data":[{"index":0,"embedding":[NaN]},{"index":1,"embedding":[1]}]}`, "not JSON"},
		"nothing":            {"", "not JSON"},
		"another object":     {"{}", "0 vectors for 2 texts"},
		"one too few":        {`{"data":[{"index":0,"embedding":[1,2]}]}`, "1 vectors for 2 texts"},
		"one too many":       {`[[1,2],[1,2],[1,2]]`, "3 vectors for 2 texts"},
		"the same twice":     {`{"data":[{"index":1,"embedding":[1,2]},{"index":1,"embedding":[1,2]}]}`, "indexes"},
		"an index outside":   {`{"data":[{"index":0,"embedding":[1,2]},{"index":2,"embedding":[1,2]}]}`, "indexes"},
		"an index below":     {`{"data":[{"index":0,"embedding":[1,2]},{"index":-1,"embedding":[1,2]}]}`, "indexes"},
		"an index sometimes": {`{"data":[{"index":0,"embedding":[1,2]},{"embedding":[1,2]}]}`, "indexes"},
		"wrong dimensions":   {`[[1,2,3],[1,2,3]]`, "3 dimensions, not 2"},
		"words":              {`[["a","b"],[1,2]]`, "no number"},
		"no base64":          {`{"data":[{"index":0,"embedding":"!"},{"index":1,"embedding":"!"}]}`, "base64"},
		"a vector a token":   {`[{"index":0,"embedding":[[1,2],[1,2]]},{"index":1,"embedding":[[1,2]]}]`, "pooling"},
		"an object":          {`[{"index":0,"embedding":{"a":1}},{"index":1,"embedding":[1,2]}]`, "no list"},
		"huge":               {"[" + long + "," + long + "]", "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, q question, n int) { write(w, 200, test.body) })
			e := newEmbedder(t, openai.Options{BaseURL: s.URL, Dimensions: 2})
			_, err := e.Embed(t.Context(), []string{"sea", "tide"}, atocore.ForDocument)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// TestFaultyVectors are those of single texts.
func TestFaultyVectors(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, q question, n int) {
		write(w, 200, `[[1,2],[null,1],[0,0],[1e39,1],[],[3,4]]`)
	})
	var log bytes.Buffer
	e := newEmbedder(t, openai.Options{BaseURL: s.URL, Dimensions: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	texts := words(6)
	got, err := e.Embed(t.Context(), texts, atocore.ForDocument)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]float32{{1, 2}, {}, {}, {}, {}, {3, 4}}, got); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 4 || strings.Contains(log.String(), texts[1]) {
		t.Errorf("%d warnings, want 4 without the texts: %s", n, log.String())
	}
}

// TestTooLong has some texts over the server's limit among others.
func TestTooLong(t *testing.T) {
	const limit = 1000
	for name, answer := range map[string]func(http.ResponseWriter, question, int){
		"OpenAI":    limited(limit, 400, object{"error": object{"message": "This model's maximum context length is 8192 tokens", "type": "invalid_request_error"}}),
		"TEI":       limited(limit, 413, object{"error": "Input validation error: `inputs` must have less than 512 tokens. Given: 785", "error_type": "Validation"}),
		"llama.cpp": limited(limit, 500, object{"error": object{"code": 500, "message": "input is too large to process. increase the physical batch size", "type": "server_error"}}),
		"Ollama":    limited(limit, 500, object{"error": "the input length exceeds the context length"}),
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, answer)
			texts := words(20)
			texts[3] = strings.Repeat("sea and tide ", 200) // 2600 bytes
			texts[17] = strings.Repeat("日本", 300)           // 1800 bytes
			e := newEmbedder(t, openai.Options{BaseURL: s.URL, DocumentPrefix: "passage: "})
			got, err := e.Embed(t.Context(), texts, atocore.ForDocument)
			if err != nil {
				t.Fatal(err)
			}
			for i, text := range texts {
				switch i {
				case 3:
					text = text[:650] // halved twice
				case 17:
					text = text[:900] // once, at the end of a character
				}
				if !cmp.Equal(floats("passage: "+text), got[i]) {
					t.Errorf("text %d has not the vector of its first %d bytes", i, len(text))
				}
			}
			if n := len(s.questions()); n > 30 {
				t.Errorf("%d requests for two texts that are too long", n)
			}

			e = newEmbedder(t, openai.Options{BaseURL: s.URL, NoShorten: true})
			if got, err = e.Embed(t.Context(), texts, atocore.ForDocument); err != nil {
				t.Fatal(err)
			}
			for i, v := range got {
				if i == 3 || i == 17 {
					if v == nil || len(v) != 0 {
						t.Errorf("text %d has %v, want an empty vector", i, v)
					}
				} else if !cmp.Equal(floats(texts[i]), v) {
					t.Errorf("text %d has another vector", i)
				}
			}
		})
	}
}

// TestFewerAtOnce has a server that takes fewer texts a request.
func TestFewerAtOnce(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, q question, n int) {
		if len(q.Texts) > 8 {
			write(w, 422, object{"error": "batch size 32 > maximum allowed batch size 8", "error_type": "Validation"})
			return
		}
		asOpenAI(w, q, n)
	})
	e := newEmbedder(t, openai.Options{BaseURL: s.URL})
	texts := words(40)
	got, err := e.Embed(t.Context(), texts, atocore.ForDocument)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if !cmp.Equal(floats(text), got[i]) {
			t.Errorf("%q has another vector", text)
		}
	}
}

// TestWrongRequest has a server that refuses everything: that is told by two
// requests, not by one a text.
func TestWrongRequest(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, q question, n int) {
		write(w, 400, object{"error": object{"message": "model small does not exist"}})
	})
	e := newEmbedder(t, openai.Options{BaseURL: s.URL})
	_, err := e.Embed(t.Context(), words(30), atocore.ForDocument)
	if err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("error %v, want the server's", err)
	}
	if got := len(s.questions()); got != 2 {
		t.Errorf("%d requests, want 2", got)
	}
}

// TestMessages has servers that repeat in their errors what they were sent.
func TestMessages(t *testing.T) {
	const key, text = "sk-secret-123", "The landlord is Mr Okafor, at 12 Mill Lane."
	for name, test := range map[string]struct {
		body any
		want string
	}{
		"the text":   {object{"error": object{"message": "cannot embed '" + text + "' today"}}, "cannot embed '…' today"},
		"part of it": {object{"error": "near 'Mr Okafor, at 12 Mill'"}, "near '…'"},
		"the key":    {object{"message": "bad key " + key}, "bad key …"},
		"a detail":   {object{"detail": "no"}, "no"},
		"details":    {object{"detail": []object{{"msg": "field required", "input": text}}}, "401 Unauthorized"},
		"a long one": {object{"error": strings.Repeat("long ", 1000)}, "long …"},
		"lines":      {object{"error": "one\n\x1b[31mtwo"}, "one [31mtwo"},
		"plain text": {"go away", "go away"},
		"a page":     {"<html>" + text + "</html>", "401 Unauthorized"},
		"nothing":    {"", "401 Unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, q question, n int) { write(w, 401, test.body) })
			_, err := newEmbedder(t, openai.Options{BaseURL: s.URL, Key: key}).Embed(t.Context(), []string{text}, atocore.ForDocument)
			if err == nil || !strings.HasSuffix(err.Error(), test.want) && !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want one with %q", err, test.want)
			}
			if strings.Contains(err.Error(), "Okafor") || strings.Contains(err.Error(), key) || len(err.Error()) > 400 || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error has what it should not have: %v", err)
			}
		})
	}
	s := serve(t, func(w http.ResponseWriter, q question, n int) { write(w, 401, "") })
	if _, err := newEmbedder(t, openai.Options{BaseURL: s.URL}).Embed(t.Context(), []string{text}, atocore.ForDocument); err == nil || !strings.Contains(err.Error(), "no key was sent") {
		t.Errorf("error %v, want one that says that no key was sent", err)
	}
}

// TestStore has a store go on while the server is down, and make up for it.
func TestStore(t *testing.T) {
	down := true
	s := serve(t, func(w http.ResponseWriter, q question, n int) {
		if down {
			write(w, 500, object{"error": "starting"})
			return
		}
		limited(1000, 400, object{"error": "too long"})(w, q, n)
	})
	store := atocoretest.NewStore(t, &atocore.Options{Embedder: newEmbedder(t, openai.Options{BaseURL: s.URL, Retries: -1, NoShorten: true})})
	for _, text := range append(words(3), strings.Repeat("long ", 400)) {
		if _, err := store.Remember(t.Context(), atocore.Memory{Type: atocore.Knowledge, Content: text}); err != nil {
			t.Fatal(err)
		}
	}
	down = false
	n, err := store.EmbedPending(t.Context())
	if n != 3 || !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("%d embedded, error %v; want 3, and the fourth as a fault", n, err)
	}
	stats, err := store.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Vectors != 3 || stats.Pending != 1 {
		t.Errorf("%d vectors, %d wait; want 3 and 1", stats.Vectors, stats.Pending)
	}
}
