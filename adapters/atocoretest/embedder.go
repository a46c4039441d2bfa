package atocoretest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/atocore/atocore"
)

// TestEmbedder fails the test with every rule of [atocore.Embedder] that e
// breaks. Run it with -race, which sees what CheckEmbedder cannot.
func TestEmbedder(tb testing.TB, e atocore.Embedder) {
	tb.Helper()
	if err := CheckEmbedder(tb.Context(), e); err != nil {
		tb.Error(err)
	}
}

// CheckEmbedder holds an embedder to the rules of [atocore.Embedder] and to those
// that a store relies on beyond them. Its error lists every rule that is broken.
// It embeds about a thousand short texts and one of 64 KiB.
//
// The rules:
//
//   - Space is always the same; it has a name of one line and 1 to MaxDimensions
//     dimensions.
//   - Embed returns one vector a text, in their order. A vector has
//     Space().Dimensions numbers, finite and not all zero, whose sum of squares is
//     neither zero nor infinite as a float32. Nil is for a text with nothing to
//     embed; an English sentence has something.
//   - A text has the same vector whatever is embedded with it, before it or at
//     the same time, up to rounding: cosines from 0.999 on are equal.
//   - As query, a text is nearer to itself as document than to others.
//   - Batches of any size up to 256 are taken, the empty one included. So is any
//     text in UTF-8: the empty one, blanks, signs, every script, and 64 KiB.
//   - The texts are left as they are, and vectors that were returned are not
//     written to again.
//   - With a context that is done, Embed returns an error, soon.
func CheckEmbedder(ctx context.Context, e atocore.Embedder) error {
	c := &embedderCheck{e: e, space: e.Space(), broken: map[string]bool{}}
	c.checkSpace()
	if !c.checkSentences(ctx) {
		return errors.Join(c.errs...) // it cannot be used at all, and all else would say so too
	}
	c.checkSizes(ctx)
	c.checkTexts(ctx)
	c.checkQueries(ctx)
	c.checkConcurrency(ctx)
	c.checkCancelled(ctx)
	c.checkKept()
	if got := e.Space(); got != c.space {
		c.fail("space", "is %s at first and %s at last: it may not change", c.space, got)
	}
	return errors.Join(c.errs...)
}

// maxBatch is how many texts a store hands over at most.
const maxBatch = 256

// patience is how long an Embed whose context is done may take to notice: no
// measure of speed, only the end of waiting.
const patience = 20 * time.Second

// sentences have nothing to do with each other, so that every embedder can tell
// them apart.
var sentences = []string{
	"The boiler in the cellar failed on the third of January.",
	"Deploys of the website go out on Thursdays at ten.",
	"Grandmother's plum cake needs two hundred grams of butter.",
	"A sonnet has fourteen lines and a turn.",
	"The ferry to the island does not sail in a gale.",
}

// an embedderCheck is one run of CheckEmbedder.
type embedderCheck struct {
	e      atocore.Embedder
	space  atocore.Space
	single [][]float32 // of the sentences, each embedded alone

	// calls are what Embed has returned, and copies of it from that moment.
	calls []call

	broken map[string]bool
	errs   []error
}

type call struct{ returned, copied [][]float32 }

// fail notes a broken rule. One example of each is enough.
func (c *embedderCheck) fail(rule, format string, args ...any) {
	if !c.broken[rule] {
		c.errs = append(c.errs, fmt.Errorf("embedder %s: %s: %s", c.space, rule, fmt.Sprintf(format, args...)))
	}
	c.broken[rule] = true
}

func (c *embedderCheck) checkSpace() {
	s := c.space
	if s.Dimensions < 1 || s.Dimensions > atocore.MaxDimensions {
		c.fail("space", "has %d dimensions, not 1 to %d", s.Dimensions, atocore.MaxDimensions)
	}
	const longest = 1 << 10
	for what, text := range map[string]string{"name": s.Name, "fingerprint": s.Fingerprint} {
		switch {
		case text == "" && what == "name":
			c.fail("space", "has no name")
		case len(text) > longest || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
			c.fail("space", "%s %.40q is not one line of at most %d bytes of text", what, text, longest)
		}
	}
}

// embed calls Embed and looks at whatever can be said of any one call.
func (c *embedderCheck) embed(ctx context.Context, what string, texts []string, purpose atocore.Purpose) ([][]float32, error) {
	given := slices.Clone(texts)
	vectors, err := c.call(ctx, given, purpose)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(given, texts) {
		c.fail("texts", "%s: Embed has changed the texts that it was given", what)
	}
	if len(vectors) != len(texts) {
		c.fail("batch", "%s: %d vectors for %d texts", what, len(vectors), len(texts))
		return nil, nil
	}
	for i, v := range vectors {
		if fault := c.fault(v); v != nil && fault != "" {
			c.fail("vector", "%s: that of %.60q %s", what, texts[i], fault)
		}
	}
	c.calls = append(c.calls, call{vectors, deepClone(vectors)})
	return vectors, nil
}

// call is Embed, where a panic is an error as well.
func (c *embedderCheck) call(ctx context.Context, texts []string, purpose atocore.Purpose) (vectors [][]float32, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return c.e.Embed(ctx, texts, purpose)
}

// fault says what is wrong with a vector.
func (c *embedderCheck) fault(v []float32) string {
	if len(v) != c.space.Dimensions {
		return fmt.Sprintf("has %d dimensions, not %d", len(v), c.space.Dimensions)
	}
	var sum float64
	for i, x := range v {
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Sprintf("has %v at dimension %d", x, i)
		}
		sum += float64(x) * float64(x)
	}
	if n := float32(sum); n == 0 || math.IsInf(float64(n), 0) {
		return fmt.Sprintf("has no direction: its squares add up to %v", n)
	}
	return ""
}

func deepClone(vectors [][]float32) [][]float32 {
	out := make([][]float32, len(vectors))
	for i, v := range vectors {
		out[i] = slices.Clone(v)
	}
	return out
}

// checkSentences embeds each sentence alone, again, and all of them in one
// batch. It reports whether the embedder works at all.
func (c *embedderCheck) checkSentences(ctx context.Context) bool {
	for _, text := range sentences {
		vectors, err := c.embed(ctx, "one text", []string{text}, atocore.ForDocument)
		if err != nil {
			c.fail("sentence", "%q: %v", text, err)
			return false
		}
		if vectors == nil {
			return false
		}
		if vectors[0] == nil {
			c.fail("sentence", "%q has no vector, though there is something to embed", text)
			return false
		}
		c.single = append(c.single, slices.Clone(vectors[0]))
	}
	for i, text := range sentences {
		vectors, err := c.embed(ctx, "the same text again", []string{text}, atocore.ForDocument)
		c.same("determinism", "the same text again", vectors, err, i)
	}
	all := indexes(len(sentences))
	c.checkBatch(ctx, "order", "several texts", all)
	slices.Reverse(all)
	c.checkBatch(ctx, "order", "several texts", all)
	return true
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// checkBatch embeds the sentences with the indexes, and holds them to what they
// are alone.
func (c *embedderCheck) checkBatch(ctx context.Context, rule, what string, which []int) {
	texts := make([]string, len(which))
	for i, k := range which {
		texts[i] = sentences[k]
	}
	vectors, err := c.embed(ctx, what, texts, atocore.ForDocument)
	c.same(rule, what, vectors, err, which...)
}

// same holds vectors to those of the sentences with the indexes.
func (c *embedderCheck) same(rule, what string, vectors [][]float32, err error, which ...int) {
	if err != nil {
		c.fail(rule, "%s: %v", what, err)
		return
	}
	for i, v := range vectors {
		if !alike(v, c.single[which[i]]) {
			c.fail(rule, "%s: number %d, %q, has another vector than it had alone: cosine %.4f", what, i, sentences[which[i]], cosine(v, c.single[which[i]]))
		}
	}
}

// checkSizes tries batches of other sizes.
func (c *embedderCheck) checkSizes(ctx context.Context) {
	if _, err := c.embed(ctx, "no text", []string{}, atocore.ForDocument); err != nil {
		c.fail("empty batch", "%v", err)
	}
	which := make([]int, maxBatch)
	for i := range which {
		which[i] = i % len(sentences)
	}
	c.checkBatch(ctx, "full batch", fmt.Sprintf("a batch of %d texts", maxBatch), which)
}

// checkTexts tries texts of every sort, each alone and then all between two
// sentences, whose vectors must not suffer from the company.
func (c *embedderCheck) checkTexts(ctx context.Context) {
	odd := []struct{ what, text string }{
		{"an empty text", ""},
		{"blanks", " \t\r\n "},
		{"signs", "*** --- ???"},
		{"one letter", "x"},
		{"many scripts", "Ελλάδα Україна ישראל العربية हिन्दी 日本語 한국어 ไทย ñandú"},
		{"emoji and combining marks", "👩‍👩‍👧‍👦 🇳🇿 e\u0301\u0323 \u202eright to left\u202c \ufeff\u200b"},
		{"control characters", "a\x01b\x1b[31mc\x7f"},
		{"64 KiB", strings.Repeat("The tide goes out, the tide comes in. ", atocore.MaxMemoryBytes/38)},
		{"a word of 4 KiB", strings.Repeat("x", 4<<10)},
	}
	mixed := []string{sentences[0]}
	for _, purpose := range []atocore.Purpose{atocore.ForDocument, atocore.ForQuery} {
		for _, o := range odd {
			if _, err := c.embed(ctx, o.what, []string{o.text}, purpose); err != nil {
				c.fail(o.what, "%v", err)
			}
			if purpose == atocore.ForDocument {
				mixed = append(mixed, o.text)
			}
		}
	}
	mixed = append(mixed, sentences[1])
	const what = "a batch with texts of every sort"
	vectors, err := c.embed(ctx, what, mixed, atocore.ForDocument)
	switch {
	case err != nil:
		c.fail("order", "%s: %v", what, err)
	case vectors != nil:
		c.same("order", what, [][]float32{vectors[0], vectors[len(mixed)-1]}, nil, 0, 1)
	}
}

// checkQueries asks for each sentence by its own words.
func (c *embedderCheck) checkQueries(ctx context.Context) {
	queries, err := c.embed(ctx, "queries", sentences, atocore.ForQuery)
	if err != nil {
		c.fail("query", "%v", err)
		return
	}
	for i, q := range queries {
		if q == nil {
			c.fail("query", "%q has no vector as a query, but has one as a document", sentences[i])
			continue
		}
		for k, d := range c.single {
			if k != i && cosine(q, d) >= cosine(q, c.single[i]) {
				c.fail("query", "%q, as a query, is not nearer to itself as a document (cosine %.4f) than to %q (%.4f)",
					sentences[i], cosine(q, c.single[i]), sentences[k], cosine(q, d))
			}
		}
	}
}

// checkConcurrency embeds from several goroutines, each another text.
func (c *embedderCheck) checkConcurrency(ctx context.Context) {
	const goroutines, rounds = 8, 10
	type answer struct {
		which   int
		vectors [][]float32
		err     error
	}
	answers := make(chan answer, goroutines*rounds)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			<-start
			for r := range rounds {
				which := (g + r) % len(sentences)
				vectors, err := c.call(ctx, []string{sentences[which]}, atocore.ForDocument)
				answers <- answer{which, deepClone(vectors), err}
			}
		})
	}
	close(start)
	wg.Wait()
	close(answers)
	for a := range answers {
		if a.err == nil && len(a.vectors) != 1 {
			a.err = fmt.Errorf("%d vectors for one text", len(a.vectors))
		}
		c.same("concurrency", "at the same time as others", a.vectors, a.err, a.which)
	}
}

// checkCancelled calls Embed with a context that is done.
func (c *embedderCheck) checkCancelled(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	done := make(chan error, 1)
	go func() {
		_, err := c.call(ctx, slices.Clone(sentences), atocore.ForDocument)
		done <- err
	}()
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case err := <-done:
		if err == nil {
			c.fail("cancelled context", "Embed goes on: it returns no error where its context is done")
		}
	case <-wait.C:
		c.fail("cancelled context", "Embed has not returned after %v", patience)
	}
}

// checkKept looks at all vectors that were returned once more.
func (c *embedderCheck) checkKept() {
	for _, k := range c.calls {
		for i, v := range k.returned {
			if !slices.EqualFunc(v, k.copied[i], func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
				c.fail("kept vectors", "a vector that was returned has been written to by a later call")
			}
		}
	}
}

// alike reports whether two vectors are one, up to rounding.
func alike(a, b []float32) bool { return cosine(a, b) >= 0.999 }

// cosine of vectors that have one; else 0.
func cosine(a, b []float32) float64 {
	if len(a) != len(b) {
		return 0
	}
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}
