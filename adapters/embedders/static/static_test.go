package static_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
	"github.com/atocore/atocore/adapters/embedders/static"
)

// A tensor is one of a file that a test writes.
type tensor struct {
	dtype string
	shape []int
	data  []byte
}

// numbers encodes floats as a type.
func numbers(dtype string, values ...float64) []byte {
	var out []byte
	for _, v := range values {
		switch dtype {
		case "F64":
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
		case "F32":
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(v)))
		case "BF16":
			out = binary.LittleEndian.AppendUint16(out, uint16(math.Float32bits(float32(v))>>16))
		case "F16":
			out = binary.LittleEndian.AppendUint16(out, halves[v])
		case "I8":
			out = append(out, byte(int8(v)))
		case "I64":
			out = binary.LittleEndian.AppendUint64(out, uint64(int64(v)))
		case "I32":
			out = binary.LittleEndian.AppendUint32(out, uint32(int32(v)))
		}
	}
	return out
}

// halves are numbers as IEEE 754 has them in 16 bits.
var halves = map[float64]uint16{0: 0, 1: 0x3c00, -2: 0xc000, 3: 0x4200, 4: 0x4400, 0.5: 0x3800, -1: 0xbc00, 2: 0x4000, 0x1p-24: 0x0001, -0x1.ff8p-15: 0x83ff, 65504: 0x7bff}

// vocabulary is a WordPiece tokenizer of six tokens.
const vocabulary = `{"normalizer": {"type": "BertNormalizer"}, "pre_tokenizer": {"type": "BertPreTokenizer"},
	"model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[PAD]": 0, "[UNK]": 1, "sea": 2, "##s": 3, "tide": 4, "null": 5}}}`

// vectors are those of its tokens, in two dimensions. The unknown token's is
// never to be seen.
var vectors = []float64{0, 0, 2, 2, 3, 4, -1, 0, 0.5, -2, 0, 0}

// write writes a model into a folder of its own.
func write(t testing.TB, vocabulary, config string, tensors map[string]tensor) string {
	t.Helper()
	header := map[string]any{}
	var data []byte
	for name, x := range tensors {
		header[name] = map[string]any{"dtype": x.dtype, "shape": x.shape, "data_offsets": []int{len(data), len(data) + len(x.data)}}
		data = append(data, x.data...)
	}
	src, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put(t, dir, "model.safetensors", string(binary.LittleEndian.AppendUint64(nil, uint64(len(src))))+string(src)+string(data))
	put(t, dir, "tokenizer.json", vocabulary)
	if config != "" {
		put(t, dir, "config.json", config)
	}
	return dir
}

func put(t testing.TB, dir, name, content string) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string, o *static.Options) *static.Embedder {
	t.Helper()
	e, err := static.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// embed embeds texts and wants their vectors, up to rounding.
func embed(t *testing.T, e *static.Embedder, want map[string][]float32) {
	t.Helper()
	for text, v := range want {
		got, err := e.Embed(t.Context(), []string{text}, atocore.ForDocument)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]float32{v}, got, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestTypes(t *testing.T) {
	for _, dtype := range []string{"F64", "F32", "F16", "BF16", "I8"} {
		t.Run(dtype, func(t *testing.T) {
			fourth := float32(0.5)
			if dtype == "I8" {
				fourth = 0
			}
			e := open(t, write(t, vocabulary, `{"normalize": false}`, map[string]tensor{
				"embeddings": {dtype, []int{6, 2}, numbers(dtype, vectors...)},
			}), nil)
			embed(t, e, map[string][]float32{
				"sea":          {3, 4},
				"Seas tide":    {(3 - 1 + fourth) / 3, (4 + 0 - 2) / 3.},
				"sea unknown":  {3, 4}, // the unknown token is left out
				"unknown":      nil,
				"":             nil,
				"null":         nil, // no direction
				"sea sea tide": {(6 + fourth) / 3, (8 - 2) / 3.},
			})
			if got := e.Space(); got.Dimensions != 2 || got.Name == "" || got.Fingerprint == "" {
				t.Errorf("space %+v", got)
			}
		})
	}
}

// TestHalf has the numbers of 16 bits at the ends of their range.
func TestHalf(t *testing.T) {
	e := open(t, write(t, vocabulary, "", map[string]tensor{
		"embeddings": {"F16", []int{6, 2}, numbers("F16", 0, 0, 0, 0, 0x1p-24, -0x1.ff8p-15, 65504, 0, 0, 0, 0, 0)},
	}), nil)
	embed(t, e, map[string][]float32{"sea": {0x1p-24, -0x1.ff8p-15}})
	got, err := e.Embed(t.Context(), []string{"sea"}, atocore.ForQuery)
	if err != nil {
		t.Fatal(err)
	}
	if want := float32(0x1p-24); got[0][0] != want {
		t.Errorf("smallest number is %v, want %v", got[0][0], want)
	}
}

func TestNormalize(t *testing.T) {
	tensors := map[string]tensor{"embeddings": {"F32", []int{6, 2}, numbers("F32", vectors...)}}
	embed(t, open(t, write(t, vocabulary, `{"normalize": true}`, tensors), nil), map[string][]float32{"sea": {0.6, 0.8}, "null": nil})

	// As sentence-transformers has it.
	dir := write(t, vocabulary, "", map[string]tensor{"embedding.weight": tensors["embeddings"]})
	put(t, dir, "modules.json", `[{"type": "sentence_transformers.models.StaticEmbedding"}, {"type": "sentence_transformers.models.Normalize"}]`)
	embed(t, open(t, dir, nil), map[string][]float32{"sea": {0.6, 0.8}})

	nested := t.TempDir()
	if err := os.Rename(dir, filepath.Join(nested, "0_StaticEmbedding")); err != nil {
		t.Fatal(err)
	}
	embed(t, open(t, nested, nil), map[string][]float32{"sea": {3, 4}})
}

// TestQuantized has weights and a mapping, of a vocabulary that shares vectors.
func TestQuantized(t *testing.T) {
	e := open(t, write(t, vocabulary, "", map[string]tensor{
		"embeddings": {"F32", []int{2, 2}, numbers("F32", 1, 0, 0, 1)},
		"weights":    {"F64", []int{6, 1}, numbers("F64", 9, 9, 2, 0.5, 4, 0)},
		"mapping":    {"I64", []int{6}, numbers("I64", 0, 0, 0, 1, 1, 0)},
	}), nil)
	embed(t, e, map[string][]float32{"sea": {2, 0}, "seas tide": {2 / 3., 4.5 / 3}, "null": nil})
}

func TestMaxTokens(t *testing.T) {
	dir := write(t, vocabulary, "", map[string]tensor{"embeddings": {"F32", []int{6, 2}, numbers("F32", vectors...)}})
	// The median of the tokens' lengths, 3 3 4 4 5 5, is 4.
	e := open(t, dir, &static.Options{MaxTokens: 2})
	embed(t, e, map[string][]float32{
		"sea sea tide":      {3, 4}, // two tokens, of eight characters
		"unknown sea":       nil,    // which are cut off before the unknown ones go
		"séa séa tide":      {3, 4}, // characters, not bytes
		"unk sea tide":      {3, 4}, // eight characters again
		"tide             ": {0.5, -2},
	})
	all := open(t, dir, &static.Options{MaxTokens: -1})
	embed(t, all, map[string][]float32{strings.Repeat("sea ", 2000) + strings.Repeat("tide ", 2000): {1.75, 1}})
	standard := open(t, dir, nil)
	embed(t, standard, map[string][]float32{strings.Repeat("sea ", 512) + strings.Repeat("tide ", 2000): {3, 4}})
	if e.Space() == all.Space() || e.Space() == standard.Space() {
		t.Error("spaces that differ in how much is embedded are the same")
	}
}

// TestFingerprint changes each file, and moves the folder.
func TestFingerprint(t *testing.T) {
	tensors := func(last float64) map[string]tensor {
		v := append([]float64(nil), vectors...)
		v[len(v)-1] = last
		return map[string]tensor{"embeddings": {"F32", []int{6, 2}, numbers("F32", v...)}}
	}
	base := open(t, write(t, vocabulary, `{"normalize": true}`, tensors(0)), nil).Space()
	if got := open(t, write(t, vocabulary, `{"normalize": true, "seq_length": 7}`, tensors(0)), nil).Space(); got != base {
		t.Errorf("the same model elsewhere: %s, want %s", got, base)
	}
	for name, dir := range map[string]string{
		"vectors":    write(t, vocabulary, `{"normalize": true}`, tensors(1)),
		"vocabulary": write(t, vocabulary+" ", `{"normalize": true}`, tensors(0)),
		"length":     write(t, vocabulary, `{"normalize": false}`, tensors(0)),
	} {
		if got := open(t, dir, nil).Space(); got == base {
			t.Errorf("other %s have the same space %s", name, got)
		}
	}
}

func TestConformance(t *testing.T) {
	dir := bigModel(t, "F32", 64, 3000)
	atocoretest.TestEmbedder(t, open(t, dir, nil))
}

// TestFaults has numbers in the file that are none.
func TestFaults(t *testing.T) {
	v := append([]float64(nil), vectors...)
	v[4], v[6] = math.NaN(), math.MaxFloat64
	e := open(t, write(t, vocabulary, "", map[string]tensor{"embeddings": {"F64", []int{6, 2}, numbers("F64", v...)}}), nil)
	got, err := e.Embed(t.Context(), []string{"sea", "tide", "tides"}, atocore.ForDocument)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]float32{{}, {0.5, -2}, {}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestClosed(t *testing.T) {
	e, err := static.Open(write(t, vocabulary, "", map[string]tensor{"embeddings": {"F32", []int{6, 2}, numbers("F32", vectors...)}}), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Embed(t.Context(), []string{"sea"}, atocore.ForDocument); !errors.Is(err, static.ErrClosed) {
		t.Errorf("error %v, want %v", err, static.ErrClosed)
	}
}

func TestCancelled(t *testing.T) {
	e := open(t, write(t, vocabulary, "", map[string]tensor{"embeddings": {"F32", []int{6, 2}, numbers("F32", vectors...)}}), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Embed(ctx, []string{"sea"}, atocore.ForDocument); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestOpenErrors(t *testing.T) {
	good := tensor{"F32", []int{6, 2}, numbers("F32", vectors...)}
	whole := write(t, vocabulary, "", map[string]tensor{"embeddings": good})
	cut := write(t, vocabulary, "", map[string]tensor{"embeddings": good})
	if err := os.Truncate(filepath.Join(cut, "model.safetensors"), 100); err != nil {
		t.Fatal(err)
	}
	empty := write(t, vocabulary, "", map[string]tensor{"embeddings": good})
	if err := os.Truncate(filepath.Join(empty, "model.safetensors"), 0); err != nil {
		t.Fatal(err)
	}
	config := write(t, vocabulary, `{"normalize": "very"}`, map[string]tensor{"embeddings": good})
	for name, test := range map[string]struct {
		dir  string
		want error
		text string
	}{
		"no folder":       {filepath.Join(t.TempDir(), "none"), fs.ErrNotExist, "none"},
		"a file":          {filepath.Join(whole, "tokenizer.json"), atocore.ErrInvalid, "no folder"},
		"an empty folder": {t.TempDir(), atocore.ErrInvalid, "model.safetensors"},
		"cut off":         {cut, atocore.ErrInvalid, "model.safetensors"},
		"empty":           {empty, atocore.ErrInvalid, "empty"},
		"config":          {config, atocore.ErrInvalid, "config.json"},
		"no tensor":       {write(t, vocabulary, "", map[string]tensor{"other": good}), atocore.ErrInvalid, "no tensor"},
		"a list":          {write(t, vocabulary, "", map[string]tensor{"embeddings": {"F32", []int{12}, good.data}}), atocore.ErrInvalid, "shape [12]"},
		"no dimensions":   {write(t, vocabulary, "", map[string]tensor{"embeddings": {"F32", []int{6, 0}, nil}}), atocore.ErrInvalid, "shape [6 0]"},
		"a type":          {write(t, vocabulary, "", map[string]tensor{"embeddings": {"I32", []int{6, 2}, good.data}}), atocore.ErrInvalid, "type I32"},
		"too few vectors": {write(t, vocabulary, "", map[string]tensor{"embeddings": {"F32", []int{3, 4}, good.data}}), atocore.ErrInvalid, "3 vectors"},
		"mapping outside": {write(t, vocabulary, "", map[string]tensor{"embeddings": good, "mapping": {"I64", []int{6}, numbers("I64", 0, 0, 0, 0, 0, 6)}}), atocore.ErrInvalid, "row 6 of 6"},
		"mapping below":   {write(t, vocabulary, "", map[string]tensor{"embeddings": good, "mapping": {"I32", []int{6}, numbers("I32", 0, 0, 0, 0, 0, -1)}}), atocore.ErrInvalid, "of 6"},
		"mapping short":   {write(t, vocabulary, "", map[string]tensor{"embeddings": good, "mapping": {"I32", []int{5}, numbers("I32", 0, 0, 0, 0, 0)}}), atocore.ErrInvalid, "5 tokens of 6"},
		"mapping type":    {write(t, vocabulary, "", map[string]tensor{"embeddings": good, "mapping": {"F32", []int{6}, numbers("F32", 0, 0, 0, 0, 0, 0)}}), atocore.ErrInvalid, "mapping of type"},
		"weights short":   {write(t, vocabulary, "", map[string]tensor{"embeddings": good, "weights": {"F32", []int{5}, numbers("F32", 0, 0, 0, 0, 0)}}), atocore.ErrInvalid, "weights for 5"},
		"weights type":    {write(t, vocabulary, "", map[string]tensor{"embeddings": good, "weights": {"I8", []int{6}, numbers("I8", 0, 0, 0, 0, 0, 0)}}), atocore.ErrInvalid, "weights of type"},
		"tokenizer":       {write(t, `{"model": {"type": "Magic", "vocab": {"a": 0}}}`, "", map[string]tensor{"embeddings": good}), atocore.ErrInvalid, "tokenizer.json"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := static.Open(test.dir, nil)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("error %v, want %v with %q", err, test.want, test.text)
			}
		})
	}
}

// bigModel is a model with random vectors and as many words as that, all short
// ones of some consonants and vowels among them, and single letters, so that
// every word has tokens.
func bigModel(t testing.TB, dtype string, dims, words int) string {
	t.Helper()
	vocab := map[string]int{"[UNK]": 0}
	add := func(w string) {
		if _, ok := vocab[w]; !ok {
			vocab[w] = len(vocab)
		}
	}
	for c := '!'; c <= '~'; c++ {
		add(string(c))
		add("##" + string(c))
	}
	const consonants, vowels = "bcdfghklmnprstvw", "aeiou"
	for i := 0; len(vocab) < words; i++ {
		w, n := "", i+16*5
		for n > 0 {
			w += string(consonants[n%16]) + string(vowels[n/16%5])
			n /= 16 * 5
		}
		add(w)
		add("##" + w)
	}
	src, err := json.Marshal(map[string]any{
		"normalizer": map[string]any{"type": "BertNormalizer"}, "pre_tokenizer": map[string]any{"type": "BertPreTokenizer"},
		"model": map[string]any{"type": "WordPiece", "unk_token": "[UNK]", "vocab": vocab},
	})
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float64, len(vocab)*dims)
	seed := uint64(1)
	for i := range values {
		seed = seed*6364136223846793005 + 1442695040888963407
		values[i] = float64(int8(seed>>56)) / 128
		if dtype == "I8" {
			values[i] *= 127
		}
	}
	return write(t, string(src), `{"normalize": true}`, map[string]tensor{"embeddings": {dtype, []int{len(vocab), dims}, numbers(dtype, values...)}})
}

// BenchmarkEmbed embeds texts of twelve words in batches of 256 and reports how
// many a second that are.
func BenchmarkEmbed(b *testing.B) {
	for _, dtype := range []string{"F32", "I8"} {
		b.Run(dtype, func(b *testing.B) {
			e := open(b, bigModel(b, dtype, 256, 30_000), nil)
			texts := make([]string, 256)
			for i := range texts {
				texts[i] = fmt.Sprintf("The boiler in cellar %d failed on a cold night, so we called Mr Okafor.", i)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Embed(b.Context(), texts, atocore.ForDocument); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*len(texts))/b.Elapsed().Seconds(), "texts/s")
		})
	}
}

// BenchmarkOpen opens a model of 30,000 tokens with 256 dimensions.
func BenchmarkOpen(b *testing.B) {
	dir := bigModel(b, "F32", 256, 30_000)
	for b.Loop() {
		e, err := static.Open(dir, nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzOpen opens models whose tensors somebody has tampered with, and embeds
// with those that open.
func FuzzOpen(f *testing.F) {
	for _, tensors := range []map[string]tensor{
		{"embeddings": {"F32", []int{6, 2}, numbers("F32", vectors...)}},
		{"embeddings": {"I8", []int{2, 2}, numbers("I8", 1, 0, 0, 1)}, "mapping": {"I32", []int{6}, numbers("I32", 0, 0, 0, 1, 1, 0)}},
		{"embeddings": {"F16", []int{6, 1}, numbers("F16", 0, 1, 2, 3, 4, 0)}, "weights": {"F32", []int{6}, numbers("F32", 9, 9, 2, 0.5, 4, 0)}},
	} {
		src, err := os.ReadFile(filepath.Join(write(f, vocabulary, "", tensors), "model.safetensors"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		dir := t.TempDir()
		put(t, dir, "model.safetensors", string(src))
		put(t, dir, "tokenizer.json", vocabulary)
		e, err := static.Open(dir, nil)
		if err != nil {
			return
		}
		defer e.Close()
		got, err := e.Embed(t.Context(), []string{"[PAD] seas tide null"}, atocore.ForDocument)
		if err != nil || len(got) != 1 || (len(got[0]) != 0 && len(got[0]) != e.Space().Dimensions) {
			t.Errorf("vectors %v, error %v", got, err)
		}
	})
}
