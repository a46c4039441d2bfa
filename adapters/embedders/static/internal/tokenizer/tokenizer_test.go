package tokenizer_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/adapters/embedders/static/internal/tokenizer"
)

// wordPiece, unigram and bpe are small tokenizers in the form of the files.
const (
	wordPiece = `{
		"added_tokens": [
			{"id": 0, "content": "[PAD]", "special": true},
			{"id": 1, "content": "[UNK]", "special": true},
			{"id": 9, "content": "[X]", "lstrip": true, "rstrip": true}
		],
		"normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
		"pre_tokenizer": {"type": "BertPreTokenizer"},
		"model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 12,
			"vocab": {"[PAD]": 0, "[UNK]": 1, "play": 2, "##ing": 3, "##ed": 4, "the": 5, ",": 6, "cafe": 7, "日": 8, "[X]": 9, "##g": 10, "pla": 11, "$": 12}}}`

	unigram = `{
		"added_tokens": [{"id": 0, "content": "<unk>", "special": true}],
		"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
		"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
		"model": {"type": "Unigram", "unk_id": 0, "byte_fallback": false,
			"vocab": [["<unk>", 0.0], ["▁", -2.0], ["a", -3.0], ["b", -3.0], ["ab", -4.0], ["▁a", -3.5], ["▁ab", -7.5], ["ba", -3.1], ["fi", -2.5]]}}`

	bpe = `{
		"added_tokens": [],
		"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
		"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "Ġ": 3, "ab": 4, "bc": 5, "abc": 6, "Ġab": 7, "Ã": 8, "©": 9, "Ã©": 10, "'": 11, "s": 12, "'s": 13, "d": 14},
			"merges": ["b c", "a b"]}}`
)

// parsed is a tokenizer and its vocabulary by number.
type parsed struct {
	*tokenizer.Tokenizer
	words map[int32]string
}

func parse(t testing.TB, src string) parsed {
	t.Helper()
	tok, err := tokenizer.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Added []struct {
			ID      int32
			Content string
		} `json:"added_tokens"`
		Model struct{ Vocab any }
	}
	if err := json.Unmarshal([]byte(src), &file); err != nil {
		t.Fatal(err)
	}
	p := parsed{tok, map[int32]string{}}
	switch vocab := file.Model.Vocab.(type) {
	case map[string]any:
		for word, id := range vocab {
			p.words[int32(id.(float64))] = word
		}
	case []any:
		for id, entry := range vocab {
			p.words[int32(id)] = entry.([]any)[0].(string)
		}
	}
	for _, a := range file.Added {
		p.words[a.ID] = a.Content
	}
	return p
}

// encode is the text's tokens, with | between them.
func (p parsed) encode(text string) string {
	var out []string
	for _, id := range p.Encode([]byte(text), new(tokenizer.State)) {
		out = append(out, p.words[id])
	}
	return strings.Join(out, "|")
}

// with replaces a part of a file. That the part is there is checked.
func with(t testing.TB, src, old, new string) string {
	t.Helper()
	if strings.Count(src, old) != 1 {
		t.Fatalf("%q is %d times in the file", old, strings.Count(src, old))
	}
	return strings.Replace(src, old, new, 1)
}

func TestWordPiece(t *testing.T) {
	tok := parse(t, wordPiece)
	for text, want := range map[string]string{
		"":                          "",
		" \t\n":                     "",
		"the playing":               "the|play|##ing",
		"The PLAYED":                "the|play|##ed",
		"plag":                      "pla|##g",
		"playx":                     "[UNK]", // what is not used up makes the whole word unknown
		"the,the":                   "the|,|the",
		"Café":                      "cafe", // composed
		"Cafe\u0301":                "cafe", // and not
		"日日the":                     "日|日|the",
		"th\u0000e th\u00ade":       "the|the", // control and format characters go
		"the\u00a0the\u2003the":     "the|the|the",
		"$the":                      "$|the", // ASCII signs are punctuation here, though Unicode has them as symbols
		"playinginging":             "[UNK]", // longer than 12 characters
		"the [X] the":               "the|[X]|the",
		"[PAD]the[x]":               "[PAD]|the|[UNK]|[UNK]|[UNK]",
		"the[UNK]the":               "the|[UNK]|the",
		strings.Repeat("the ", 1e3): strings.TrimSuffix(strings.Repeat("the|", 1e3), "|"),
	} {
		if got := tok.encode(text); got != want {
			t.Errorf("%.40q: tokens %.80q, want %.80q", text, got, want)
		}
	}
	if id, ok := tok.Unknown(); id != 1 || !ok {
		t.Errorf("unknown token %d, %v; want 1", id, ok)
	}
	if got, want := tok.Size(), 13; got != want {
		t.Errorf("size %d, want %d", got, want)
	}
	// Lengths 1 1 1 3 3 3 4 4 4 5 5 5 of "," "日" "$" "the" "pla" "[X]" "play" "##ed" "cafe" "[PAD]" "[UNK]" "##ing",
	// and 3 of "##g": the 7th of 13 is 3.
	if got, want := tok.MedianLength(), 3; got != want {
		t.Errorf("median length %d, want %d", got, want)
	}
}

func TestUnigram(t *testing.T) {
	tok := parse(t, unigram)
	for text, want := range map[string]string{
		"":        "",
		"a":       "▁a",         // -3.5, and ▁|a is -5
		"ab":      "▁|ab",       // -6; ▁a|b is -6.5, ▁ab -7.5
		"aba":     "▁a|ba",      // -6.6; ▁|ab|a is -9
		"a  b":    "▁a|▁|b",     // two spaces are one
		"axyb":    "▁a|<unk>|b", // unknown characters side by side are one
		"ﬁ":       "▁|fi",       // NFKC
		" a":      "▁a",         // no second sign
		"日本":      "▁|<unk>",    // of several bytes
		"a <unk>": "▁a|▁|<unk>", // an added token is cut out first
	} {
		if got := tok.encode(text); got != want {
			t.Errorf("%q: tokens %q, want %q", text, got, want)
		}
	}
	if id, ok := tok.Unknown(); ok {
		t.Errorf("unknown token %d by name, want none", id)
	}

	bytes := parse(t, with(t, with(t, unigram, `"byte_fallback": false`, `"byte_fallback": true`), `["fi", -2.5]`,
		`["<0xC3>", -9], ["<0xA9>", -9]`))
	if got, want := bytes.encode("aéa日"), "▁a|<0xC3>|<0xA9>|a|<unk>"; got != want {
		t.Errorf("with bytes: tokens %q, want %q", got, want)
	}
	named := parse(t, with(t, with(t, with(t, unigram, `"byte_fallback": false`, `"byte_fallback": true`),
		`["fi", -2.5]`, `["<0x3C>", -9], ["<0x75>", -9], ["<0x6E>", -9], ["<0x6B>", -9], ["<0x3E>", -9]`),
		`{"id": 0, "content": "<unk>", "special": true}`, ``))
	if got, want := named.encode("<unk>a<u"), "▁|<unk>|a|<0x3C>|<0x75>"; got != want {
		t.Errorf("the unknown token's name: tokens %q, want %q", got, want)
	}
	never := parse(t, with(t, unigram, `"always"`, `"never"`))
	if got, want := never.encode("ab a"), "ab|▁a"; got != want {
		t.Errorf("without a sign before: tokens %q, want %q", got, want)
	}
	first := parse(t, with(t, unigram, `"always"`, `"first"`))
	if got, want := first.encode("a<unk>a"), "▁a|<unk>|a"; got != want {
		t.Errorf("with a sign before the first: tokens %q, want %q", got, want)
	}
	whole := parse(t, with(t, unigram, `"always"`, `"always", "split": false`))
	if got, want := whole.encode("a ab"), "▁a|▁|ab"; got != want {
		t.Errorf("in one piece: tokens %q, want %q", got, want)
	}
}

func TestBPE(t *testing.T) {
	tok := parse(t, bpe)
	for text, want := range map[string]string{
		"abc":   "a|bc", // "b c" was learnt first
		"abab":  "ab|ab",
		"bcbc":  "bc|bc",
		"ab ab": "ab|Ġ|ab", // no merge makes Ġab
		"é":     "Ã|©",     // two bytes, and no merge for them
		"a's":   "a|'|s",
		"a  b":  "a|Ġ|Ġ|b",
		"x":     "", // no token, no unknown token
	} {
		if got := tok.encode(text); got != want {
			t.Errorf("%q: tokens %q, want %q", text, got, want)
		}
	}
	whole := parse(t, with(t, bpe, `"type": "BPE"`, `"type": "BPE", "ignore_merges": true`))
	if got, want := whole.encode("abc ab é a's"), "abc|Ġab|Ġ|Ã|©|Ġ|a|'s"; got != want {
		t.Errorf("whole words: tokens %q, want %q", got, want)
	}
	newer := parse(t, with(t, bpe, `["b c", "a b"]`, `[["b", "c"], ["a", "b"]]`))
	if got, want := newer.encode("abcab"), "a|bc|ab"; got != want {
		t.Errorf("newer files: tokens %q, want %q", got, want)
	}
	unknown := parse(t, with(t, bpe, `"type": "BPE"`, `"type": "BPE", "unk_token": "d"`))
	if got, want := unknown.encode("axya"), "a|d|d|a"; got != want {
		t.Errorf("unknown: tokens %q, want %q", got, want)
	}
	fused := parse(t, with(t, bpe, `"type": "BPE"`, `"type": "BPE", "unk_token": "d", "fuse_unk": true`))
	if got, want := fused.encode("axya"), "a|d|a"; got != want {
		t.Errorf("fused: tokens %q, want %q", got, want)
	}
	same := parse(t, with(t, with(t, bpe, `["b c", "a b"]`, `["a a"]`), `"ab": 4`, `"aa": 4`))
	if got, want := same.encode("aaaaa"), "aa|aa|a"; got != want {
		t.Errorf("overlapping pairs: tokens %q, want %q, from the left", got, want)
	}
	// A word of many characters, where a search for the next pair over all of
	// them again and again would take minutes.
	n := 50_000
	if got := len(tok.Encode([]byte(strings.Repeat("ab", n)), new(tokenizer.State))); got != n {
		t.Errorf("a long word: %d tokens, want %d", got, n)
	}
}

func TestBPEAffixes(t *testing.T) {
	tok := parse(t, `{"pre_tokenizer": {"type": "Whitespace"}, "model": {"type": "BPE", "end_of_word_suffix": "</w>",
		"vocab": {"a": 0, "b</w>": 1, "ab</w>": 2, "a</w>": 3}, "merges": ["a b</w>"]}}`)
	if got, want := tok.encode("ab aab a"), "ab</w>|a|ab</w>|a</w>"; got != want {
		t.Errorf("suffix: tokens %q, want %q", got, want)
	}
	tok = parse(t, `{"pre_tokenizer": {"type": "Whitespace"}, "model": {"type": "BPE", "continuing_subword_prefix": "##",
		"vocab": {"a": 0, "##b": 1, "ab": 2}, "merges": ["a ##b"]}}`)
	if got, want := tok.encode("ab"), "ab"; got != want {
		t.Errorf("prefix: tokens %q, want %q", got, want)
	}
}

// letters is a tokenizer with a token for each word of the text that the
// normalizer and pre-tokenizer make, so that the words can be seen.
func letters(t *testing.T, normalizer, splitter string, words ...string) parsed {
	t.Helper()
	vocab := map[string]int{"[UNK]": 0}
	for _, w := range words {
		if _, ok := vocab[w]; !ok {
			vocab[w] = len(vocab)
		}
	}
	src, err := json.Marshal(vocab)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, fmt.Sprintf(`{"normalizer": %s, "pre_tokenizer": %s, "model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": %s}}`, normalizer, splitter, src))
}

// TestParts has a text go through each normalizer and pre-tokenizer.
func TestParts(t *testing.T) {
	const hyphens = "the-final--countdown"
	split := func(pattern, how, more string) string {
		return fmt.Sprintf(`{"type": "Split", "pattern": %s, "behavior": %q%s}`, pattern, how, more)
	}
	const hyphen = `{"String": "-"}`
	for _, test := range []struct{ normalizer, splitter, text, want string }{
		{`{"type": "Lowercase"}`, `null`, "ÀB İ", "àb i\u0307"},
		{`{"type": "NFD"}`, `null`, "é", "e\u0301"},
		{`{"type": "NFC"}`, `null`, "e\u0301", "é"},
		{`{"type": "NFKD"}`, `null`, "ﬁ²", "fi2"},
		{`{"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}`, `null`, "Ñandú", "Nandu"},
		{`{"type": "StripAccents"}`, `null`, "a\u0488\u0903b", "ab"},
		{`{"type": "BertNormalizer", "lowercase": false}`, `null`, "a\uffffb\ue000\u00ad", "a\uffffb"},
		{`null`, split(`{"Regex": "\\w+"}`, "Removed", `, "invert": true`), "½Ⓐ①b", "½Ⓐ|b"},
		{`{"type": "Strip", "strip_left": true, "strip_right": false}`, `null`, "  a ", "a "},
		{`{"type": "Strip", "strip_left": false, "strip_right": true}`, `null`, "  a ", "  a"},
		{`{"type": "Prepend", "prepend": "▁"}`, `null`, "a", "▁a"},
		{`{"type": "Replace", "pattern": {"String": "aa"}, "content": "b"}`, `null`, "aaaac", "bbc"},
		{`{"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "}`, `null`, "a\u00a0\n b", "a b"},
		{`{"type": "Nmt"}`, `null`, "a\u200bb\x01c", "a bc"},
		{`{"type": "ByteLevel"}`, `null`, "é a", "Ã©Ġa"},
		{`{"type": "BertNormalizer", "lowercase": false}`, `null`, "É日", "É 日 "},
		{`{"type": "BertNormalizer", "lowercase": false, "strip_accents": true}`, `null`, "É한", "E\u1112\u1161\u11ab"},
		{`null`, `{"type": "Whitespace"}`, "don't stop, 日本!!", "don|'|t|stop|,|日本|!!"},
		{`null`, `{"type": "WhitespaceSplit"}`, " don't  stop, ", "don't|stop,"},
		{`null`, `{"type": "Punctuation"}`, "a--b", "a|-|-|b"},
		{`null`, `{"type": "Punctuation", "behavior": "Contiguous"}`, "a--b", "a|--|b"},
		{`null`, `{"type": "Digits"}`, "a12b", "a|12|b"},
		{`null`, `{"type": "Digits", "individual_digits": true}`, "a12b", "a|1|2|b"},
		{`null`, `{"type": "CharDelimiterSplit", "delimiter": "|"}`, "a|b", "a|b"},
		{`null`, split(hyphen, "Removed", ""), hyphens, "the|final|countdown"},
		{`null`, split(hyphen, "Isolated", ""), hyphens, "the|-|final|-|-|countdown"},
		{`null`, split(hyphen, "MergedWithPrevious", ""), hyphens, "the-|final-|-|countdown"},
		{`null`, split(hyphen, "MergedWithNext", ""), hyphens, "the|-final|-|-countdown"},
		{`null`, split(hyphen, "Contiguous", ""), hyphens, "the|-|final|--|countdown"},
		{`null`, split(`{"Regex": "\\w+"}`, "Removed", `, "invert": true`), "ab, cd", "ab|cd"},
		{`null`, split(`{"Regex": "\\d*"}`, "Isolated", ""), "a12b", "a|12|b"},
		{`null`, split(`{"Regex": " ?\\p{L}+|\\s+(?!\\S)|\\s+"}`, "Isolated", ""), "ab   cd  ", "ab|  | cd|  "},
		{`null`, split(`{"Regex": "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}`, "Isolated", ""), "a \n  b", "a| \n| | |b"},
		{`null`, `{"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace"}, {"type": "Digits"}]}`, "a1 b", "▁a|1|▁b"},
		{`null`, `{"type": "Metaspace", "replacement": "_", "add_prefix_space": false}`, "a b", "a|_b"},
		{`null`, `{"type": "ByteLevel", "add_prefix_space": true}`, "we've  it\n", "Ġwe|'ve|Ġ|Ġit|Ċ"},
		{`null`, `{"type": "ByteLevel", "add_prefix_space": true, "use_regex": false}`, "a b", "ĠaĠb"},
	} {
		tok := letters(t, test.normalizer, test.splitter, strings.Split(test.want, "|")...)
		if got := tok.encode(test.text); got != test.want {
			t.Errorf("%s %s: %q gives %q, want %q", test.normalizer, test.splitter, test.text, got, test.want)
		}
	}
}

// TestGPT2 holds the built-in pattern to the same one as a regular expression.
func TestGPT2(t *testing.T) {
	text := "It's 12 o'clock!  \t\nWe'll see…  日本 x\u00a0 y   "
	const pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|`
	want := "It|'s| 12| o|'|clock|!|  \t|\n|We|'ll| see|…| | 日本| x|\u00a0| y|   "
	for _, tail := range []string{`\\s+(?!\\S)|\\s+`, `\\s+(?!\\S)|\\s+`} {
		for _, more := range []string{"", "never|"} { // with more, it is no longer the one that is built in
			tok := letters(t, "null", fmt.Sprintf(`{"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "%s%s%s"}}`, more, pattern, tail), strings.Split(want, "|")...)
			if got := tok.encode(text); got != want {
				t.Errorf("%q: %q, want %q", more, got, want)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	const ok = `{"type": "WordLevel", "vocab": {"a": 0}}`
	file := func(normalizer, splitter, model string) string {
		return fmt.Sprintf(`{"normalizer": %s, "pre_tokenizer": %s, "model": %s}`, normalizer, splitter, model)
	}
	deep := strings.Repeat(`{"type": "Sequence", "normalizers": [`, 20) + strings.Repeat(`]}`, 20)
	for _, test := range []struct{ src, want string }{
		{``, "JSON"},
		{`{}`, "there is none"},
		{`[]`, "array"},
		{file(`{"type": "Magic"}`, `null`, ok), "Magic"},
		{file(`null`, `{"type": "Magic"}`, ok), "Magic"},
		{file(`null`, `{"type": "UnicodeScripts"}`, ok), "UnicodeScripts"},
		{file(`null`, `null`, `{"type": "Magic", "vocab": {"a": 0}}`), "Magic"},
		{file(deep, `null`, ok), "deep"},
		{file(`{"type": "Replace", "pattern": {"String": ""}, "content": "x"}`, `null`, ok), "empty"},
		{file(`{"type": "Replace", "pattern": {"Regex": "a*"}, "content": "x"}`, `null`, ok), "empty"},
		{file(`{"type": "Replace", "pattern": {"Regex": "(a)(?=b)"}, "content": "x"}`, `null`, ok), "not supported"},
		{file(`{"type": "Replace", "pattern": {"String": "a"}, "content": "`+strings.Repeat("a", 100)+`"}`, `null`, ok), "times as long"},
		{file(`{"type": "Precompiled", "precompiled_charsmap": "AAAA"}`, `null`, ok), "cut off"},
		{file(`{"type": "Precompiled", "precompiled_charsmap": "/////wAAAAA="}`, `null`, ok), "not whole"},
		{file(`null`, `{"type": "Split", "pattern": {"Regex": "a(?!b)"}, "behavior": "Isolated"}`, ok), "not supported"},
		{file(`null`, `{"type": "Split", "pattern": {"Regex": "[a[b]]"}, "behavior": "Isolated"}`, ok), "not supported"},
		{file(`null`, `{"type": "Split", "pattern": {"String": "a"}, "behavior": "Sideways"}`, ok), "Sideways"},
		{file(`null`, `null`, `{"type": "WordLevel", "vocab": {}}`), "empty"},
		{file(`null`, `null`, `{"type": "WordLevel", "vocab": {"a": -1}}`), "number -1"},
		{file(`null`, `null`, `{"type": "WordLevel", "vocab": {"a": 99999999}}`), "number 99999999"},
		{file(`null`, `null`, `{"type": "WordPiece", "vocab": {"a": 0}}`), "unknown token"},
		{file(`null`, `null`, `{"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"a": 0}}`), "not in the vocabulary"},
		{file(`null`, `null`, `{"type": "Unigram", "unk_id": 1, "vocab": [["a", 0]]}`), "not in the vocabulary"},
		{file(`null`, `null`, `{"type": "Unigram", "unk_id": 0, "vocab": [["a"]]}`), "text and a score"},
		{file(`null`, `null`, `{"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}`), "merge 0"},
		{file(`null`, `null`, `{"type": "BPE", "vocab": {"a": 0}, "merges": ["aa"]}`), "two parts"},
		{file(`null`, `null`, `{"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.1}`), "dropout"},
		{`{"added_tokens": [{"id": -1, "content": "x"}], "model": ` + ok + `}`, "number -1"},
		{`{"truncation": {"max_length": 1, "direction": "Left"}, "model": ` + ok + `}`, "left"},
	} {
		_, err := tokenizer.Parse([]byte(test.src))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.120s: error %v, want one with %q", test.src, err, test.want)
		}
	}
}

func TestTruncation(t *testing.T) {
	tok := parse(t, with(t, wordPiece, `"added_tokens"`, `"truncation": {"max_length": 2, "direction": "Right"}, "added_tokens"`))
	if got, want := tok.encode("the the the"), "the|the"; got != want {
		t.Errorf("tokens %q, want %q", got, want)
	}
}

// TestState has a State's memory used again.
func TestState(t *testing.T) {
	for _, src := range []string{wordPiece, unigram, bpe} {
		tok := parse(t, src)
		var s tokenizer.State
		texts := []string{"the playing café's ab, 日本  abc", "a", strings.Repeat("ab ", 100), "", "b"}
		for _, text := range texts {
			got := append([]int32(nil), tok.Encode([]byte(text), &s)...)
			want := append([]int32(nil), tok.Encode([]byte(text), new(tokenizer.State))...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%.20q: %s", text, diff)
			}
		}
	}
}

// TestAllocations wants none that grows with the text.
func TestAllocations(t *testing.T) {
	for name, src := range map[string]string{"WordPiece": wordPiece, "Unigram": unigram, "BPE": bpe} {
		tok := parse(t, src)
		var s tokenizer.State
		count := func(n int) float64 {
			text := []byte(strings.Repeat("the playing café's ab, 日本 abc ", n))
			tok.Encode(text, &s)
			return testing.AllocsPerRun(20, func() { tok.Encode(text, &s) })
		}
		if few, many := count(1), count(50); many > few+2 {
			t.Errorf("%s: %v allocations for a short text, %v for a long one", name, few, many)
		}
	}
}

// FuzzParse has any file read, and any text encoded with it.
func FuzzParse(f *testing.F) {
	for _, src := range []string{wordPiece, unigram, bpe} {
		f.Add([]byte(src), "the playing café's ab, 日本  abc <unk> [X]")
	}
	f.Add([]byte(`{"normalizer": {"type": "Precompiled", "precompiled_charsmap": "CAAAAAD/AQAAAQAAYQA="}, "model": {"type": "WordLevel", "vocab": {"a": 0}}}`), "a\u0301")
	f.Add([]byte(`{"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\s+(?!\\S)|\\s+"}, "behavior": "MergedWithNext"}, "model": {"vocab": {"a": 0}}}`), "a  b")
	f.Fuzz(func(t *testing.T, src []byte, text string) {
		tok, err := tokenizer.Parse(src)
		if err != nil || !utf8.ValidString(text) {
			return
		}
		var s tokenizer.State
		for _, id := range tok.Encode([]byte(text), &s) {
			if id < 0 || int(id) >= tok.Size() {
				t.Errorf("token %d of %d", id, tok.Size())
			}
		}
	})
}
