package cached_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
	"github.com/atocore/atocore/adapters/embedders/cached"
)

// A counting embedder is the built-in one that notes what it is asked for.
type counting struct {
	atocore.Embedder
	space atocore.Space

	mu    sync.Mutex
	asked []string
	fault error
}

func newCounting() *counting {
	e := atocore.DefaultEmbedder()
	return &counting{Embedder: e, space: e.Space()}
}

func (c *counting) Space() atocore.Space { return c.space }

func (c *counting) Embed(ctx context.Context, texts []string, purpose atocore.Purpose) ([][]float32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, texts...)
	if c.fault != nil {
		return nil, c.fault
	}
	return c.Embedder.Embed(ctx, texts, purpose)
}

// took returns what was asked for since the last call.
func (c *counting) took() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := c.asked
	c.asked = nil
	return asked
}

func newCached(t *testing.T, inner atocore.Embedder, dir string, o *cached.Options) *cached.Embedder {
	t.Helper()
	e, err := cached.New(inner, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// embed wants the vectors that the built-in embedder gives, and what was asked
// for to get them.
func embed(t *testing.T, e atocore.Embedder, inner *counting, purpose atocore.Purpose, texts []string, asked ...string) {
	t.Helper()
	got, err := e.Embed(t.Context(), texts, purpose)
	if err != nil {
		t.Fatal(err)
	}
	want, err := atocore.DefaultEmbedder().Embed(t.Context(), texts, purpose)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q: other vectors: %s", texts, diff)
	}
	if diff := cmp.Diff(asked, inner.took()); diff != "" {
		t.Errorf("%q: asked for: %s", texts, diff)
	}
}

// entries are the files in a cache.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, name)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return out
}

func TestConformance(t *testing.T) {
	e := newCached(t, newCounting(), t.TempDir(), nil)
	atocoretest.TestEmbedder(t, e)
	atocoretest.TestEmbedder(t, e) // from the cache
	if hits, misses := e.Counts(); hits == 0 || misses == 0 {
		t.Errorf("%d hits, %d misses: want some of both", hits, misses)
	}
}

func TestCached(t *testing.T) {
	inner, dir := newCounting(), filepath.Join(t.TempDir(), "not", "there")
	e := newCached(t, inner, dir, nil)
	embed(t, e, inner, atocore.ForDocument, []string{"sea", "tide", "sea"}, "sea", "tide") // each once
	embed(t, e, inner, atocore.ForDocument, []string{"tide", "gale", "sea"}, "gale")
	embed(t, e, inner, atocore.ForQuery, []string{"sea"}, "sea") // another purpose
	embed(t, e, inner, atocore.ForQuery, []string{"sea"})
	embed(t, e, inner, atocore.ForDocument, []string{"", "sea"}, "") // nothing to embed is not kept
	embed(t, e, inner, atocore.ForDocument, []string{""}, "")
	if hits, misses := e.Counts(); hits != 5 || misses != 6 {
		t.Errorf("%d hits, %d misses; want 5 and 6", hits, misses)
	}

	again := newCached(t, inner, dir, nil) // as another process would
	embed(t, again, inner, atocore.ForDocument, []string{"sea", "tide"})

	// Another space, in the same directory.
	for _, space := range []atocore.Space{
		{Name: inner.space.Name, Dimensions: inner.space.Dimensions, Fingerprint: "other"},
		{Name: "other", Dimensions: inner.space.Dimensions, Fingerprint: inner.space.Fingerprint},
	} {
		other := newCounting()
		other.space = space
		embed(t, newCached(t, other, dir, nil), other, atocore.ForDocument, []string{"sea"}, "sea")
	}
	if got, want := len(entries(t, dir)), 4+2; got != want {
		t.Errorf("%d entries, want %d", got, want)
	}
}

func TestNoQueries(t *testing.T) {
	inner, dir := newCounting(), t.TempDir()
	e := newCached(t, inner, dir, &cached.Options{NoQueries: true})
	embed(t, e, inner, atocore.ForQuery, []string{"sea"}, "sea")
	embed(t, e, inner, atocore.ForQuery, []string{"sea"}, "sea")
	if got := entries(t, dir); len(got) != 0 {
		t.Errorf("entries %q, want none", got)
	}
}

// TestDamage changes each byte of an entry, cuts it off everywhere, makes it
// longer, and puts another one in its place.
func TestDamage(t *testing.T) {
	inner, dir := newCounting(), t.TempDir()
	e := newCached(t, inner, dir, nil)
	embed(t, e, inner, atocore.ForDocument, []string{"sea"}, "sea")
	name := entries(t, dir)[0]
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(whole, []byte("sea")) {
		t.Error("an entry has the text in it")
	}
	elsewhere := t.TempDir()
	embed(t, newCached(t, inner, elsewhere, nil), inner, atocore.ForDocument, []string{"tide"}, "tide")
	other, err := os.ReadFile(entries(t, elsewhere)[0])
	if err != nil {
		t.Fatal(err)
	}
	damaged := [][]byte{other, append(bytes.Clone(whole), 0), bytes.Repeat([]byte{0}, len(whole))}
	for i := 0; i < len(whole); i += 37 {
		damaged = append(damaged, whole[:i])
		b := bytes.Clone(whole)
		b[i] ^= 0x10
		damaged = append(damaged, b)
	}
	for _, b := range damaged {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		embed(t, e, inner, atocore.ForDocument, []string{"sea"}, "sea")
		embed(t, e, inner, atocore.ForDocument, []string{"sea"}) // and mended
	}
}

// TestUnwritable has a file where the directory should be.
func TestUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	inner := newCounting()
	e := newCached(t, inner, filepath.Join(file, "cache"), &cached.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 {
		embed(t, e, inner, atocore.ForDocument, []string{"sea", "tide"}, "sea", "tide")
	}
	if got := strings.Count(log.String(), "cannot be written"); got != 1 {
		t.Errorf("%d warnings, want 1: %s", got, log.String())
	}
}

// TestFailure has the embedder fail, and give vectors that are none.
func TestFailure(t *testing.T) {
	inner, dir := newCounting(), t.TempDir()
	e := newCached(t, inner, dir, nil)
	inner.fault = errors.New("gone")
	if _, err := e.Embed(t.Context(), []string{"sea"}, atocore.ForDocument); !errors.Is(err, inner.fault) {
		t.Errorf("error %v, want %v", err, inner.fault)
	}
	inner.fault = nil
	inner.space.Dimensions++ // so that every vector is too short
	e = newCached(t, inner, dir, nil)
	if _, err := e.Embed(t.Context(), []string{"sea"}, atocore.ForDocument); err != nil {
		t.Fatal(err) // what to do about it is the store's business
	}
	if got := entries(t, dir); len(got) != 0 {
		t.Errorf("entries %q, want none", got)
	}
}

// TestEviction writes three times as much as there is room for.
func TestEviction(t *testing.T) {
	const perShard = 2
	inner, dir := newCounting(), t.TempDir()
	// An entry of the built-in embedder takes one block of 4 KiB.
	o := &cached.Options{MaxBytes: 256 * perShard * 4096}
	text := func(i int) string { return fmt.Sprintf("text %d", i) }
	const n = 3 * 256 * perShard
	var last []string
	for i := range n {
		// A new one each time, as by many short processes: each looks after its
		// first write.
		e := newCached(t, inner, dir, o)
		if _, err := e.Embed(t.Context(), []string{text(i)}, atocore.ForDocument); err != nil {
			t.Fatal(err)
		}
		last = append(last, text(i))
	}
	inner.took()
	if got := len(entries(t, dir)); got > 256*perShard || got < 256*perShard/2 {
		t.Errorf("%d entries, want %d at most and half of that at least", got, 256*perShard)
	}
	e := newCached(t, inner, dir, o)
	embed(t, e, inner, atocore.ForDocument, last[n-1:]) // the newest is there
	hits := func(texts []string) int64 {
		e := newCached(t, inner, dir, o)
		for _, text := range texts {
			if _, err := e.Embed(t.Context(), []string{text}, atocore.ForDocument); err != nil {
				t.Fatal(err)
			}
		}
		h, _ := e.Counts()
		return h
	}
	if newest := hits(last[n-256:]); newest < 100 {
		t.Errorf("%d of the newest 256 are there", newest)
	}
	if oldest := hits(last[:256]); oldest > 10 {
		t.Errorf("%d of the oldest 256 are there", oldest)
	}
}

// TestAbandoned leaves what a killed process was writing for an hour.
func TestAbandoned(t *testing.T) {
	inner, dir := newCounting(), t.TempDir()
	embed(t, newCached(t, inner, dir, nil), inner, atocore.ForDocument, []string{"sea"}, "sea")
	shard := filepath.Dir(entries(t, dir)[0])
	recent, old := filepath.Join(shard, "new-1"), filepath.Join(shard, "new-2")
	for _, name := range []string{recent, old} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(entries(t, dir)[0]); err != nil {
		t.Fatal(err)
	}
	embed(t, newCached(t, inner, dir, nil), inner, atocore.ForDocument, []string{"sea"}, "sea")
	if _, err := os.Stat(recent); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old one: error %v, want that it is gone", err)
	}
}

// TestConcurrent has several embedders on one directory embed the same texts.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		e := newCached(t, newCounting(), dir, &cached.Options{MaxBytes: 256 * 4096})
		wg.Go(func() {
			for i := range 200 {
				texts := []string{fmt.Sprint("text ", i), fmt.Sprint("text ", i+1)}
				got, err := e.Embed(t.Context(), texts, atocore.ForDocument)
				if err != nil {
					t.Error(err)
					return
				}
				want, _ := atocore.DefaultEmbedder().Embed(t.Context(), texts, atocore.ForDocument)
				if !cmp.Equal(want, got) {
					t.Errorf("%q: other vectors", texts)
				}
			}
		})
	}
	wg.Wait()
}

func TestClear(t *testing.T) {
	inner, dir := newCounting(), t.TempDir()
	e := newCached(t, inner, dir, nil)
	embed(t, e, inner, atocore.ForDocument, []string{"sea", "tide"}, "sea", "tide")
	mine := filepath.Join(filepath.Dir(entries(t, dir)[0]), "mine.txt")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cached.Clear(dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{mine}, entries(t, dir)); diff != "" {
		t.Error(diff)
	}
	embed(t, e, inner, atocore.ForDocument, []string{"sea"}, "sea")
	if err := cached.Clear(filepath.Join(dir, "none")); err != nil {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestInvalid(t *testing.T) {
	if _, err := cached.New(newCounting(), "", nil); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("no directory: error %v", err)
	}
	if _, err := cached.New(newCounting(), "x", &cached.Options{MaxBytes: -1}); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("no room: error %v", err)
	}
}
