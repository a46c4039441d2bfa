package embedders_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/embedders"
	"github.com/atocore/atocore/adapters/embedders/openai"
	"github.com/atocore/atocore/adapters/embedders/static"
	"github.com/atocore/atocore/docs"
)

func TestParse(t *testing.T) {
	for spec, want := range map[string]embedders.Parsed{
		"":                                {},
		"default":                         {},
		"none":                            {},
		"static:/models/small":            {Static: "/models/small"},
		"static:/a?b?max-tokens=7":        {Static: "/a?b", Tokens: static.Options{MaxTokens: 7}},
		"static:/a?b?":                    {Static: "/a?b"},
		`static:C:\models\small`:          {Static: `C:\models\small`},
		"openai:text-embedding-3-small":   {OpenAI: openai.Options{Model: "text-embedding-3-small"}, Key: "OPENAI_API_KEY"},
		"openai:m?key=MY_KEY":             {OpenAI: openai.Options{Model: "m"}, Key: "MY_KEY"},
		"openai:bge:v1.5@http://[::1]:80": {OpenAI: openai.Options{Model: "bge:v1.5", BaseURL: "http://[::1]:80"}},
		"openai:@cf/baai/bge@https://example.com/v1": {OpenAI: openai.Options{Model: "@cf/baai/bge", BaseURL: "https://example.com/v1"}},
		"openai:m@http://h?dimensions=3&request-dimensions=true&query-prefix=query:+&document-prefix=a%26b%3D%3F&key=K&key-over-http=1&batch=4&batch-bytes=5&timeout=1m30s&retries=0&shorten=false": {
			Key: "K", OpenAI: openai.Options{
				Model: "m", BaseURL: "http://h", Dimensions: 3, RequestDimensions: true, QueryPrefix: "query: ", DocumentPrefix: "a&b=?",
				AllowKeyOverHTTP: true, Batch: 4, BatchBytes: 5, Timeout: 90 * time.Second, Retries: -1, NoShorten: true,
			},
		},
	} {
		got, err := embedders.Parse(spec)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", spec, diff)
		}
	}
}

func TestInvalid(t *testing.T) {
	for spec, want := range map[string]string{
		"magic":                         "none of the embedders",
		"magic:x":                       `"magic:"`,
		"Default":                       "none of the embedders",
		"static":                        "none of the embedders",
		"static:":                       "no folder",
		"static:?max-tokens=1":          "no folder",
		"static:/m?tokens=1":            "max-tokens",
		"static:/m?max-tokens=0":        "no number from 1",
		"openai:":                       "no model",
		"openai:@http://h":              "no model",
		"openai:http://h":               "no model before the address",
		"http://h":                      "openai:MODEL@URL",
		"openai:m@http://h?x=1":         `no option "x"`,
		"openai:m@http://h?v=1?batch=2": "query of its own",
		"openai:m?batch=2&batch=3":      "2 times",
		"openai:m?batch=many":           "no number",
		"openai:m?timeout=7":            "no time",
		"openai:m?timeout=-1s":          "no time",
		"openai:m?shorten=perhaps":      "neither true nor false",
		"openai:m?query-prefix=%zz":     "cannot be read",
	} {
		err := embedders.Check(spec)
		if !errors.Is(err, atocore.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", spec, err, want)
		}
	}
}

// TestDocumented has every embedder that the pages name understood.
func TestDocumented(t *testing.T) {
	n := 0
	for _, name := range []string{"embedding.md", "cli.md"} {
		page, err := fs.ReadFile(docs.Pages(), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?:ATOCORE_EMBEDDER=|embedder: |--embedder |`)['\"]?((?:static|openai):[^\\s'\"`|]+)").FindAllStringSubmatch(string(page), -1) {
			n++
			if err := embedders.Check(m[1]); err != nil {
				t.Errorf("docs/%s: %s: %v", name, m[1], err)
			}
		}
	}
	if n < 7 {
		t.Errorf("%d embedders found in the pages", n)
	}
}

// model writes a static model of one word into a folder.
func model(t *testing.T, dir string) {
	t.Helper()
	header := `{"embeddings":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}`
	file := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	for _, bits := range []uint32{0, 0, 0x3f800000, 0x40000000} { // 0 0, 1 2
		file = binary.LittleEndian.AppendUint32(file, bits)
	}
	vocabulary := `{"pre_tokenizer": {"type": "Whitespace"}, "model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "sea": 1}}}`
	for name, src := range map[string][]byte{"model.safetensors": file, "tokenizer.json": []byte(vocabulary)} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), src, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func environment(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

func TestOpenLocal(t *testing.T) {
	home := t.TempDir()
	model(t, filepath.Join(home, "models", "tiny"))
	o := &embedders.Options{Getenv: environment(map[string]string{"HOME": home})}
	for spec, want := range map[string]atocore.Space{
		"":                     atocore.DefaultEmbedder().Space(),
		"default":              atocore.DefaultEmbedder().Space(),
		"static:~/models/tiny": {Name: "static-model", Dimensions: 2},
		"static:" + home + "/models/tiny?max-tokens=3": {Name: "static-model", Dimensions: 2},
	} {
		e, closer, err := embedders.Open(t.Context(), spec, o)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		got := e.Space()
		if want.Fingerprint == "" {
			want.Fingerprint = got.Fingerprint
		}
		if got != want {
			t.Errorf("%s: space %s, want %s", spec, got, want)
		}
		if err := closer.Close(); err != nil {
			t.Error(err)
		}
	}
	e, closer, err := embedders.Open(t.Context(), "none", nil)
	if e != nil || err != nil || closer == nil {
		t.Errorf("none: embedder %v, closer %v, error %v", e, closer, err)
	}
	if _, _, err := embedders.Open(t.Context(), "static:~/models/none", o); !errors.Is(err, atocore.ErrInvalid) || !strings.Contains(err.Error(), filepath.Join(home, "models", "none")) {
		t.Errorf("no folder: error %v", err)
	}
}

// A server counts what it is asked, and stops answering when it is told.
type server struct {
	*httptest.Server
	texts atomic.Int64
	key   atomic.Value
}

func serve(t *testing.T) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Input []string }
		src, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(src, &q) != nil {
			return
		}
		s.texts.Add(int64(len(q.Input)))
		s.key.Store(r.Header.Get("Authorization"))
		vectors := make([][]float32, len(q.Input))
		for i, text := range q.Input {
			vectors[i] = []float32{1, float32(len(text))}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"embeddings": vectors})
	}))
	t.Cleanup(s.Close)
	return s
}

func TestOpenServer(t *testing.T) {
	s := serve(t)
	var log bytes.Buffer
	o := &embedders.Options{
		CacheDir: filepath.Join(t.TempDir(), "cache"), Getenv: environment(map[string]string{"MY_KEY": " sk-secret\n"}),
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	spec := "openai:small@" + s.URL + "?retries=0&document-prefix=d:+"
	embed := func(spec, text string, want []float32) {
		t.Helper()
		e, closer, err := embedders.Open(t.Context(), spec, o)
		if err != nil {
			t.Fatal(err)
		}
		defer closer.Close()
		got, err := e.Embed(t.Context(), []string{text}, atocore.ForDocument)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]float32{want}, got); diff != "" {
			t.Error(diff)
		}
	}
	asked := func(want int64) {
		t.Helper()
		if got := s.texts.Swap(0); got != want {
			t.Errorf("%d texts sent, want %d", got, want)
		}
	}
	embed(spec, "sea", []float32{1, 6})
	asked(2) // and one word, for the dimensions
	embed(spec+"&key=MY_KEY", "sea", []float32{1, 6})
	asked(0)
	embed(spec+"&key=MY_KEY", "tide", []float32{1, 7})
	asked(1)
	if got, want := s.key.Load(), "Bearer sk-secret"; got != want {
		t.Errorf("authorization %q, want %q", got, want)
	}

	s.Close()
	embed(spec, "tide", []float32{1, 7}) // without the server
	if _, _, err := embedders.Open(t.Context(), "openai:other@"+s.URL+"?retries=0", o); err == nil || errors.Is(err, atocore.ErrInvalid) || !strings.Contains(err.Error(), "dimensions=N") {
		t.Errorf("no server: error %v", err)
	}
	o.CacheDir = ""
	if _, _, err := embedders.Open(t.Context(), spec, o); err == nil {
		t.Error("without a cache, no server: no error")
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the log has the key in it: %s", log.String())
	}
}
