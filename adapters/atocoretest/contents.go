package atocoretest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// contents is all that a store holds, as far as a program can tell.
type contents struct {
	Projects     []atocore.Project
	Memories     []atocore.Memory
	State        []atocore.StateEntry
	Documents    []atocore.Document
	Chunks       []atocore.Chunk
	Originals    map[string]string // by document: the hash of what is kept, or why there is none
	Interactions []atocore.Interaction
	Journal      []atocore.JournalEntry
	Probes       []atocore.Probe
	Space        string
	Vectors      int
	Pending      int
	Digest       string
	Hits         map[string][]atocore.Hit // by question
	Findings     []atocore.Finding        // of the store's own check
}

var allStatuses = []atocore.Status{atocore.Candidate, atocore.Active, atocore.Superseded, atocore.Invalid}

// read reads everything.
func read(ctx context.Context, s *atocore.Store, questions []atocore.Query) (c contents, err error) {
	stats, err := s.Stats(ctx)
	if err != nil {
		return c, err
	}
	c.Space, c.Vectors, c.Pending = fmt.Sprint(stats.Space), stats.Vectors, stats.Pending
	for _, part := range []func() error{
		func() (err error) { c.Projects, err = s.Projects(ctx); return err },
		func() (err error) {
			c.Memories, err = collect(s.Memories(ctx, atocore.MemoryFilter{Statuses: allStatuses}))
			return err
		},
		func() (err error) { c.State, err = s.State(ctx, atocore.StateFilter{}); return err },
		func() (err error) {
			c.Documents, err = collect(s.Documents(ctx, atocore.DocumentFilter{}))
			return err
		},
		func() (err error) {
			c.Interactions, err = collect(s.Interactions(ctx, atocore.InteractionFilter{}))
			return err
		},
		func() (err error) { c.Journal, err = collect(s.Journal(ctx, 0)); return err },
		func() (err error) { c.Probes, err = s.Probes(ctx); return err },
		func() (err error) { c.Digest, err = s.Digest(ctx); return err },
		func() error {
			report, err := s.Check(ctx)
			c.Findings = report.Findings
			return err
		},
	} {
		if err := part(); err != nil {
			return c, err
		}
	}
	c.Originals = map[string]string{}
	for _, d := range c.Documents {
		chunks, err := s.Chunks(ctx, d.ID)
		if err != nil {
			return c, err
		}
		c.Chunks = append(c.Chunks, chunks...)
		if d.Kept {
			c.Originals[d.ID+" "+d.Path] = original(ctx, s, d.ID)
		}
	}
	c.Hits = map[string][]atocore.Hit{}
	for i, q := range questions {
		r, err := s.Retriever(nil).Search(ctx, q)
		if err != nil {
			return c, fmt.Errorf("probe %.60q: %w", q.Text, err)
		}
		c.Hits[fmt.Sprintf("%d %s %.60q", i, q.Mode, q.Text)] = r.Hits
	}
	return c, nil
}

func collect[T any](seq iter.Seq2[T, error]) (all []T, err error) {
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// original is the hash of a kept original. That there is none is a difference
// between two stores like any other.
func original(ctx context.Context, s *atocore.Store, id string) string {
	r, err := s.Original(ctx, id)
	if err != nil {
		return err.Error()
	}
	hash := sha256.New()
	_, err = io.Copy(hash, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return err.Error()
	}
	return hex.EncodeToString(hash.Sum(nil))
}

func (c *contents) empty() bool {
	return len(c.Memories)+len(c.State)+len(c.Documents)+len(c.Interactions) == 0
}

// questions are made of what is there, for callers who have none: the first words
// of some memories and chunks.
func (c *contents) questions() (out []atocore.Query) {
	const most, words = 6, 12
	ask := func(text string) {
		fields := strings.Fields(text)
		if len(fields) > 0 {
			out = append(out, atocore.Query{Text: strings.Join(fields[:min(words, len(fields))], " ")})
		}
	}
	for _, m := range c.Memories[:min(most, len(c.Memories))] {
		ask(m.Content)
	}
	for _, ch := range c.Chunks[:min(most, len(c.Chunks))] {
		ask(ch.Text)
	}
	return out
}

// asText has cmp compare, and show, the journal's records as the JSON that they
// are.
var asText = cmp.Transformer("JSON", func(r json.RawMessage) string { return string(r) })

// equal reports whether diff has nothing to show. It asks cmp, which takes its
// time, only where the answer is not plain.
func (c *contents) equal(other *contents) bool {
	return c.Digest == other.Digest && (reflect.DeepEqual(c, other) || cmp.Equal(c, other, asText))
}

// maxDiff bounds the difference that is shown, in bytes: more helps nobody.
const maxDiff = 32 << 10

// diff is what other has otherwise, in the form of cmp.Diff.
func (c *contents) diff(other *contents) string {
	d := cmp.Diff(c, other, asText)
	if len(d) > maxDiff {
		d = strings.ToValidUTF8(d[:maxDiff], "") + fmt.Sprintf("\n… and %d bytes more", len(d)-maxDiff)
	}
	return d
}

// sound is an error with the findings of the store's own check, if there are any.
func (c *contents) sound() error {
	var errs []error
	for _, f := range c.Findings {
		errs = append(errs, fmt.Errorf("check of the store: %s in %s: expected %s, found %s", f.Code, f.Path, f.Expected, f.Found))
	}
	return errors.Join(errs...)
}
