package hashembed_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/hashembed"
)

const sentence = "The quick build finished before lunch, so we shipped version 2.4 to the staging servers and told everyone about it."

func cosine(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func length(v []float32) float64 { return math.Sqrt(cosine(v, v)) }

// TestGolden holds vectors to what they were when Fingerprint got its value. When
// it fails, on purpose or by a change in package analysis, stores in the field
// hold vectors that the new ones must not be compared with: change Fingerprint,
// and the digests with it.
func TestGolden(t *testing.T) {
	if got, want := hashembed.Fingerprint, "1"; got != want {
		t.Fatalf("Fingerprint is %q, the digests below are those of %q", got, want)
	}
	tests := []struct{ text, want string }{
		{"word", "ec934fe03b9c11d5"},
		{sentence, "12f06adbd6098f33"},
		{"getUserID in config.yaml isn't user_id; C++ v1.2.3, 1,500", "efdbcc0cdfab3b97"},
		{"café Straße Ёлка हिन्दी", "873d9db471cd2301"},
		{"全文检索 カタカナ 한국어 ภาษาไทย 水 🎉", "7240a977a903404f"},
		{strings.Repeat("again and again ", 300), "7ae3aefd23ee29da"},
	}
	for _, tt := range tests {
		h := sha256.New()
		for _, v := range [][]float32{hashembed.Document(tt.text), hashembed.Query(tt.text)} {
			binary.Write(h, binary.LittleEndian, v)
		}
		if diff := cmp.Diff(tt.want, hex.EncodeToString(h.Sum(nil)[:8])); diff != "" {
			t.Errorf("%.20q (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestLength(t *testing.T) {
	for _, text := range []string{"a", "the", "水", "🎉", sentence, strings.Repeat(sentence, 2000)} {
		for name, v := range map[string][]float32{"Document": hashembed.Document(text), "Query": hashembed.Query(text)} {
			if len(v) != hashembed.Dimensions {
				t.Fatalf("%s(%.10q) has %d dimensions, want %d", name, text, len(v), hashembed.Dimensions)
			}
			if got := length(v); math.Abs(got-1) > 1e-5 {
				t.Errorf("%s(%.10q) has length %v, want 1", name, text, got)
			}
		}
	}
}

func TestNothingToGoBy(t *testing.T) {
	for _, text := range []string{"", " ", "?!…", "\x00\xff", strings.Repeat("-", 1<<20)} {
		if got := hashembed.Document(text); got != nil {
			t.Errorf("Document(%.10q) = %v, want nil", text, got)
		}
		if got := hashembed.Query(text); got != nil {
			t.Errorf("Query(%.10q) = %v, want nil", text, got)
		}
	}
}

func TestOrderOfWordsDoesNotMatter(t *testing.T) {
	words := strings.Fields(sentence)
	slices.Reverse(words)
	if diff := cmp.Diff(hashembed.Document(sentence), hashembed.Document(strings.Join(words, " "))); diff != "" {
		t.Errorf("reversed words give another vector:\n%s", diff)
	}
}

func TestLongTextIsBounded(t *testing.T) {
	long := strings.Repeat("word ", hashembed.MaxBytes/5+1)[:hashembed.MaxBytes]
	if diff := cmp.Diff(hashembed.Document(long), hashembed.Document(long+" elephants entirely elsewhere")); diff != "" {
		t.Error("text after MaxBytes changes the vector")
	}
	if cmp.Equal(hashembed.Document(long), hashembed.Document(long[:len(long)-10]+" elephants")) {
		t.Error("text before MaxBytes does not change the vector")
	}
}

// TestFinds asks questions that share no whole word with the text they are after.
func TestFinds(t *testing.T) {
	documents := []string{
		"The accounting department reconciles invoices every Thursday.",
		"Nadia repaired the espresso machine in the kitchen.",
		"Backups are encrypted with a passphrase kept in the safe.",
		"Der Vertrag wurde mit den Lieferanten verhandelt.",
		"The greenhouse needs watering twice a week in summer.",
		"Ok!",
	}
	tests := []struct {
		query string
		want  int
	}{
		{"acounting invioces", 0},
		{"expresso machime", 1},
		{"encrytpion passfrase", 2},
		{"Verhandlungen Verträge Lieferantin", 3},
		{"greenhous wattering", 4},
		{"encrypt", 2},
		{"house", 4},
	}
	for _, tt := range tests {
		q := hashembed.Query(tt.query)
		best, at := -1.0, 0
		for i, d := range documents {
			if c := cosine(q, hashembed.Document(d)); c > best {
				best, at = c, i
			}
		}
		if at != tt.want {
			t.Errorf("%q finds %q (%.2f), want %q", tt.query, documents[at], best, documents[tt.want])
		}
	}
}

func TestFunctionWordsAreWeak(t *testing.T) {
	q := hashembed.Query("what is the deadline of the migration")
	function := cosine(q, hashembed.Document("what is the colour of the kettle"))
	content := cosine(q, hashembed.Document("migration deadline moved"))
	if function > content/3 {
		t.Errorf("function words alone are worth %.2f, the content %.2f", function, content)
	}
}

func TestShortTextIsNotPreferred(t *testing.T) {
	q := hashembed.Query("When did Nadia repair the espresso machine?")
	greeting := cosine(q, hashembed.Document("Hi Nadia!"))
	answer := cosine(q, hashembed.Document("Nadia said she had repaired the espresso machine after lunch, once the parts from the supplier in Trieste had come."))
	if greeting >= answer {
		t.Errorf("a greeting (%.2f) is nearer than the answer (%.2f)", greeting, answer)
	}
}

func FuzzEmbed(f *testing.F) {
	for _, s := range []string{"", sentence, "\xff\x00", "全文 🎉", "the", strings.Repeat("a", 300), "ﷺ", "ab \u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, q := hashembed.Document(text), hashembed.Query(text)
		if (d == nil) != (q == nil) {
			t.Fatalf("%q: document %v, question %v", text, d == nil, q == nil)
		}
		if d == nil {
			return
		}
		if got := length(d); math.IsNaN(got) || math.Abs(got-1) > 1e-5 {
			t.Fatalf("document has length %v", got)
		}
		if got := length(q); math.IsNaN(got) || math.Abs(got-1) > 1e-5 {
			t.Fatalf("question has length %v", got)
		}
		if got := cosine(q, d); got <= 0 {
			t.Fatalf("%q does not find itself: %v", text, got)
		}
		if !slices.Equal(d, hashembed.Document(text)) {
			t.Fatal("a second call gives another vector")
		}
	})
}

func BenchmarkDocument(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		hashembed.Document(sentence)
	}
}
