package atocore_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/atocore/atocore"
)

// Labelled questions are other people's texts and not part of the repository.
// A folder of sets (corpus.jsonl, queries.jsonl, qrels.tsv each) is given by
// flag.
var (
	evalDir  = flag.String("eval", "", "folder of retrieval evaluation sets; empty skips the evaluation")
	evalRuns = flag.String("eval.runs", "", "folder to write the runs to, in TREC format")
	evalSets = flag.String("eval.sets", "", "comma-separated sets; empty is all")
)

type evalDoc struct {
	ID, Title, Text, Scope, Session, Speaker, Time string
}

type evalQuery struct{ ID, Text, Scope string }

// The least nDCG@10 of hybrid search: what SQLite's own BM25 reaches with its
// best tokenizer on the same set, less 0.005 for noise.
var evalFloors = map[string]float64{
	"locomo": 0.458, "scifact": 0.696, "cranfield": 0.510, "claude-docs": 0.788, "md-hugo": 0.481, "md-astro-zh": 0.78, "beam": 0.30,
}

func TestEvaluation(t *testing.T) {
	if *evalDir == "" {
		t.Skip("no -eval folder")
	}
	names := []string{"locomo", "beam", "scifact", "cranfield", "claude-docs", "md-hugo", "md-astro-zh"}
	if *evalSets != "" {
		names = strings.Split(*evalSets, ",")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			docs := evalDocs(t, name)
			queries := readLines[evalQuery](t, filepath.Join(*evalDir, name, "queries.jsonl"))
			qrels := readQrels(t, filepath.Join(*evalDir, name, "qrels.tsv"))
			store := openStore(t, nil)
			toDoc := evalLoad(t, store, name, docs)
			text := evalRun(t, store, name, "text", queries, toDoc, qrels)
			vector := evalRun(t, store, name, "vector", queries, toDoc, qrels)
			hybrid := evalRun(t, store, name, "hybrid", queries, toDoc, qrels)
			slips := misspell(queries)
			slipText := evalRun(t, store, name+"-misspelt", "text", slips, toDoc, qrels)
			slipHybrid := evalRun(t, store, name+"-misspelt", "hybrid", slips, toDoc, qrels)
			t.Logf("nDCG@10: text %.4f vector %.4f hybrid %.4f; misspelt: text %.4f hybrid %.4f", text, vector, hybrid, slipText, slipHybrid)
			if floor := evalFloors[name]; hybrid < floor {
				t.Errorf("hybrid nDCG@10 is %.4f, below %.3f", hybrid, floor)
			}
			if hybrid < text-0.005 {
				t.Errorf("hybrid nDCG@10 is %.4f, below text's %.4f", hybrid, text)
			}
			if slipHybrid <= slipText {
				t.Errorf("misspelt: hybrid nDCG@10 is %.4f, not above text's %.4f", slipHybrid, slipText)
			}
		})
	}
}

// evalLoad stores the set and returns what maps a hit to a document's ID.
func evalLoad(t *testing.T, store *atocore.Store, name string, docs []evalDoc) func(*atocore.Hit) string {
	t.Helper()
	ctx := t.Context()
	if strings.HasPrefix(name, "md-") {
		fsys := fstest.MapFS{}
		for _, d := range docs {
			fsys[d.ID] = &fstest.MapFile{Data: []byte(d.Text)}
		}
		report, err := store.Ingest(ctx, fsys, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range report.Skipped {
			t.Logf("skipped %s: %s", s.Path, s.Reason)
		}
		return func(h *atocore.Hit) string { return h.Source }
	}
	scopes := map[string]bool{}
	byID := map[string]string{}
	for _, d := range docs {
		if d.Scope != "" && !scopes[d.Scope] {
			scopes[d.Scope] = true
			if _, err := store.AddProject(ctx, atocore.Project{Name: d.Scope}); err != nil {
				t.Fatal(err)
			}
		}
		doc := atocore.Document{Path: d.ID, Title: d.Title, Project: d.Scope, Session: d.Session, Speaker: d.Speaker, MediaType: atocore.MediaText}
		for _, layout := range []string{"2006-01-02T15:04", time.DateOnly} {
			if at, err := time.Parse(layout, d.Time); err == nil {
				doc.Time = at
			}
		}
		added, err := store.AddDocument(ctx, doc, d.Text)
		if errors.Is(err, atocore.ErrInvalid) {
			t.Logf("left out %s: %v", d.ID, err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		byID[added.ID] = d.ID
	}
	return func(h *atocore.Hit) string { return byID[h.Document] }
}

func evalRun(t *testing.T, store *atocore.Store, name, mode string, queries []evalQuery, toDoc func(*atocore.Hit) string, qrels map[string]map[string]int) float64 {
	t.Helper()
	var run io.Writer = io.Discard
	if *evalRuns != "" {
		f, err := os.Create(filepath.Join(*evalRuns, name+"-"+mode+".run"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		run = f
	}
	r := store.Retriever(nil)
	sum, n := 0.0, 0
	for _, q := range queries {
		if len(qrels[q.ID]) == 0 {
			continue
		}
		res, err := r.Search(context.Background(), atocore.Query{Text: q.Text, Mode: atocore.Mode(mode), Project: q.Scope, Limit: 100})
		if err != nil {
			t.Fatalf("%s: %v", q.ID, err)
		}
		var ids []string
		for i := range res.Hits {
			if id := toDoc(&res.Hits[i]); !slices.Contains(ids, id) {
				ids = append(ids, id)
				fmt.Fprintf(run, "%s Q0 %s %d %.9f atocore\n", q.ID, id, len(ids), 1/float64(len(ids)))
			}
		}
		sum += ndcg(ids, qrels[q.ID])
		n++
	}
	return sum / float64(n)
}

func ndcg(ids []string, grades map[string]int) float64 {
	gain := 0.0
	for i, id := range ids[:min(10, len(ids))] {
		gain += float64(grades[id]) / math.Log2(float64(i+2))
	}
	var ideal []int
	for _, g := range grades {
		ideal = append(ideal, g)
	}
	slices.SortFunc(ideal, func(a, b int) int { return b - a })
	best := 0.0
	for i, g := range ideal[:min(10, len(ideal))] {
		best += float64(g) / math.Log2(float64(i+2))
	}
	return gain / best
}

// misspell changes one letter of each third word.
func misspell(queries []evalQuery) []evalQuery {
	rng := rand.New(rand.NewPCG(1, 2))
	out := slices.Clone(queries)
	for i := range out {
		words := strings.Fields(out[i].Text)
		for j := 2; j < len(words); j += 3 {
			w := []rune(words[j])
			k := rng.IntN(len(w))
			w[k] = rune('a' + rng.IntN(26))
			words[j] = string(w)
		}
		out[i].Text = strings.Join(words, " ")
	}
	return out
}

func evalDocs(t *testing.T, name string) []evalDoc {
	t.Helper()
	file := filepath.Join(*evalDir, name, "corpus.jsonl")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		file += ".gz"
	}
	return readLines[evalDoc](t, file)
}

func readLines[T any](t *testing.T, file string) []T {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(file, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	var out []T
	for dec := json.NewDecoder(in); ; {
		var v T
		if err := dec.Decode(&v); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
}

func readQrels(t *testing.T, file string) map[string]map[string]int {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]map[string]int{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var q, d string
		var g int
		if _, err := fmt.Sscanf(strings.ReplaceAll(sc.Text(), "\t", " "), "%s %s %d", &q, &d, &g); err != nil {
			t.Fatalf("%s: %v", sc.Text(), err)
		}
		if g > 0 {
			if out[q] == nil {
				out[q] = map[string]int{}
			}
			out[q][d] = g
		}
	}
	return out
}
