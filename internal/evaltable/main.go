// Evaltable measures retrieval on every set in a folder and renews the tables
// of docs/evaluation.md.
//
//	go run ./internal/evaltable [-sets NAME,…] [-embedder SPEC] [-page docs/evaluation.md] FOLDER
//
// A set is a folder with corpus.jsonl, queries.jsonl and one of qrels.tsv,
// qrels.session.tsv (the labels name sessions) and spans.tsv (they name ranges of
// characters); data files may end in .gz. A sets.json in the folder says it
// otherwise: which sets there are, in which order, and their files. Each set is
// measured in a store of its own. Without -page the tables go to standard output.
// The page has the built-in embedder's figures; -embedder measures another, see
// package adapters/embedders.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/embedders"
	"github.com/atocore/atocore/adapters/evaluation"
)

func main() {
	page := flag.String("page", "", "`file` whose tables to renew; empty prints them")
	only := flag.String("sets", "", "comma-separated `names`; empty is every set")
	runs := flag.String("runs", "", "existing `folder` to write the runs to, in TREC format")
	spec := flag.String("embedder", "default", "`SPEC` of the embedder, as of atocore --embedder")
	flag.Parse()
	if flag.NArg() != 1 || flag.Arg(0) == "" {
		fmt.Fprintln(os.Stderr, "evaltable: name the folder of the evaluation sets: make eval EVAL=DIR")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *page != "" && *spec != "default" {
		fmt.Fprintln(os.Stderr, "evaltable: the page is of the built-in embedder: leave out -page or -embedder")
		os.Exit(2)
	}
	embedder, done, err := embedders.Open(ctx, *spec, nil)
	if err == nil {
		err = errors.Join(run(ctx, flag.Arg(0), *only, *runs, *page, embedder), done.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "evaltable:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, folder, only, runs, page string, embedder atocore.Embedder) error {
	sets, err := findSets(folder)
	if err != nil {
		return err
	}
	if only != "" {
		if page != "" {
			return errors.New("-sets leaves sets out, and the page has all of them: leave out -page")
		}
		names := strings.Split(only, ",")
		sets = slices.DeleteFunc(sets, func(s setFiles) bool { return !slices.Contains(names, s.Name) })
	}
	if len(sets) == 0 {
		return fmt.Errorf("no sets in %s", folder)
	}
	var measured []measurement
	for _, s := range sets {
		begun := time.Now()
		m, err := measure(ctx, folder, s, runs, embedder)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: %d documents in %.1f s, %d questions, %.1f s in all\n", s.Name, m.documents, m.load.Seconds(), m.questions, time.Since(begun).Seconds())
		measured = append(measured, m)
	}
	if page == "" {
		fmt.Print(tables(measured))
		return nil
	}
	return renew(page, tables(measured))
}

// A measurement is what a set came to.
type measurement struct {
	name                 string
	unit                 evaluation.Unit
	documents, questions int
	load                 time.Duration
	scores               map[string]*evaluation.Scores // by column
}

// The columns: the modes, and the same with misspelt questions.
const misspelt = "misspelt "

func measure(ctx context.Context, folder string, s setFiles, runs string, embedder atocore.Embedder) (m measurement, err error) {
	path := func(name string) string { return filepath.Join(folder, filepath.FromSlash(name)) }
	set, err := evaluation.ReadSet(path(s.Corpus), path(s.Queries), path(s.Labels), s.unit())
	if err != nil {
		return m, err
	}
	dir, err := os.MkdirTemp("", "evaltable-")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = dir
	}
	store, err := atocore.Open(ctx, dir, &atocore.Options{Embedder: embedder, CompileCache: filepath.Join(cache, "atocore", "wasm")})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	begun := time.Now()
	corpus, err := evaluation.Load(ctx, store, set, nil)
	if err != nil {
		return m, err
	}
	questions := set.Labelled()
	m = measurement{name: s.Name, unit: set.Unit, documents: corpus.Len(), questions: len(questions), load: time.Since(begun), scores: map[string]*evaluation.Scores{}}
	for _, r := range corpus.Refused {
		fmt.Fprintf(os.Stderr, "%s: left out %s: %s\n", s.Name, r.ID, r.Reason)
	}
	if n := set.Unknown(); n > 0 {
		fmt.Fprintf(os.Stderr, "%s: documents that the labels name and that are not there: %d\n", s.Name, n)
	}
	for _, mode := range evaluation.Modes() {
		if err := m.ask(ctx, corpus, set, questions, mode, "", runs); err != nil {
			return m, err
		}
		if mode != atocore.VectorOnly && set.Unit != evaluation.Spans {
			if err := m.ask(ctx, corpus, set, evaluation.Misspell(questions), mode, misspelt, runs); err != nil {
				return m, err
			}
		}
	}
	return m, nil
}

func (m *measurement) ask(ctx context.Context, corpus *evaluation.Corpus, set *evaluation.Set, questions []evaluation.Question, mode atocore.Mode, prefix, runs string) error {
	run, notes, err := corpus.Ask(ctx, questions, mode)
	if err != nil {
		return err
	}
	for _, n := range notes {
		fmt.Fprintf(os.Stderr, "%s: %s: %s\n", m.name, mode, n)
	}
	column := prefix + string(mode)
	if m.scores[column], err = set.Score(run); err != nil || runs == "" {
		return err
	}
	f, err := os.Create(filepath.Join(runs, m.name+"-"+strings.ReplaceAll(column, " ", "-")+".run"))
	if err != nil {
		return err
	}
	return errors.Join(run.Write(f, "atocore"), f.Close())
}
