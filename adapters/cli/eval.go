package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/evaluation"
)

type evalCmd struct {
	Corpus  string `required:"" placeholder:"FILE" help:"Documents: corpus.jsonl, also gzipped."`
	Queries string `required:"" placeholder:"FILE" help:"Questions: queries.jsonl, also gzipped."`
	Qrels   string `required:"" placeholder:"FILE" help:"Which document answers which question: qrels.tsv, also gzipped."`

	Mode    string   `enum:"all,hybrid,text,vector" default:"all" placeholder:"M" help:"hybrid, text, vector or all three. The default is ${default}."`
	Session bool     `help:"Score sessions instead of documents: an ID up to its last colon."`
	Spans   bool     `help:"--qrels names ranges of characters, spans.tsv: score how much of them the found chunks cover."`
	CI      int      `name:"ci" default:"1000" placeholder:"N" help:"Bootstrap samples for the intervals; 0 leaves them out. The default is ${default}."`
	Weight  *float64 `placeholder:"W" help:"Share of the vectors in hybrid search, above 0 and at most 1. The default is what the store measures."`
	Limit   int      `default:"100" placeholder:"N" help:"Hits a question. The default is ${default}."`
	Compare string   `placeholder:"RUN" help:"Compare with an earlier run, question by question: hybrid, or the one mode asked for."`
	RunTo   string   `name:"run" placeholder:"PATH" help:"Write the runs in TREC format: a folder, or with one mode a file."`
	Keep    string   `placeholder:"DIR" help:"Keep the store, in a new or empty directory. The default is a temporary one that is gone afterwards."`
}

func (evalCmd) Help() string {
	return `Loads the documents into a store of their own, asks the questions, and says how good the answers are, with intervals of 95 %. Your store is not touched. A question's scope is the project that it is asked in. A question that finds nothing counts 0, one without a relevant document is left out. docs/evaluation.md has the files' formats and the figures' definitions.` + examples(
		`atocore eval --corpus corpus.jsonl --queries queries.jsonl --qrels qrels.tsv`,
		`atocore eval --corpus corpus.jsonl.gz --queries queries.jsonl --qrels qrels.tsv --mode text --run before.run`,
		`atocore eval --corpus corpus.jsonl.gz --queries queries.jsonl --qrels qrels.tsv --mode text --compare before.run --json`,
		`atocore eval --corpus corpus.jsonl --queries queries.jsonl --qrels qrels.tsv --session --ci 0 --keep look`,
	)
}

func (c *evalCmd) Run(ctx context.Context, s *session) (err error) {
	unit, err := c.unit()
	if err != nil {
		return err
	}
	weight, err := weightOf("eval", c.Weight)
	if err != nil {
		return err
	}
	// All that can be wrong is found out before the work.
	set, err := evaluation.ReadSet(c.Corpus, c.Queries, c.Qrels, unit)
	if err != nil {
		return err
	}
	var earlier *evaluation.Scores
	if c.Compare != "" {
		if earlier, err = readScores(set, c.Compare); err != nil {
			return err
		}
	}
	if err := c.checkRunPath(); err != nil {
		return err
	}
	here := *s
	var done func() error
	if here.dir, done, err = c.directory(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()

	var report *evaluation.Report
	err = here.with(ctx, creates, func(store *atocore.Store) (err error) {
		if c.Mode != string(atocore.TextOnly) && here.embedder.embedder == nil {
			if here.embedder.err != nil {
				return here.embedder.err
			}
			return &usageError{command: "atocore eval", reason: "without an embedder only --mode text can be measured"}
		}
		bars := evalBars{s: s}
		defer bars.end()
		report, err = evaluation.Evaluate(ctx, store, set, &evaluation.Options{Modes: c.modes(), Limit: c.Limit, Weight: weight, Progress: bars.update})
		return err
	})
	if err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	doc := evalDoc{report: report, set: set, samples: c.CI}
	if earlier != nil {
		if err := doc.compare(earlier, c.Compare); err != nil {
			return err
		}
	}
	for _, r := range report.Results {
		if err := c.writeRun(r); err != nil {
			return err
		}
	}
	s.evalNotes(report)
	return s.out.put(doc.json(), func() { doc.print(s) })
}

func (c *evalCmd) unit() (evaluation.Unit, error) {
	switch {
	case c.Session && c.Spans:
		return "", &usageError{command: "atocore eval", reason: "--session and --spans exclude each other"}
	case c.CI < 0 || c.CI > maxSamples:
		return "", &atocore.InvalidError{Field: "--ci", Reason: fmt.Sprintf("%d is out of range", c.CI), Hint: fmt.Sprintf("use 0 to %d", maxSamples)}
	case c.Limit < 1 || c.Limit > atocore.MaxLimit:
		return "", &atocore.InvalidError{Field: "--limit", Reason: fmt.Sprintf("%d is out of range", c.Limit), Hint: fmt.Sprintf("use 1 to %d", atocore.MaxLimit)}
	case c.Session:
		return evaluation.Sessions, nil
	case c.Spans:
		return evaluation.Spans, nil
	}
	return evaluation.Documents, nil
}

// maxSamples keeps a slip of the hand from taking all memory.
const maxSamples = 100_000

func (c *evalCmd) modes() []atocore.Mode {
	if c.Mode == "all" {
		return evaluation.Modes()
	}
	return []atocore.Mode{atocore.Mode(c.Mode)}
}

func readScores(set *evaluation.Set, name string) (*evaluation.Scores, error) {
	run, err := evaluation.ReadRun(name)
	if err != nil {
		return nil, err
	}
	scores, err := set.Score(run)
	if errors.Is(err, evaluation.ErrNothingInCommon) {
		return nil, &atocore.InvalidError{Field: name, Reason: err.Error(), Hint: "it is of another set"}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return scores, nil
}

// directory is where the store is made, and what is to be done with it at the
// end.
func (c *evalCmd) directory() (dir string, done func() error, err error) {
	if c.Keep == "" {
		dir, err = os.MkdirTemp("", "atocore-eval-")
		return dir, func() error { return os.RemoveAll(dir) }, err
	}
	entries, err := os.ReadDir(c.Keep)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", nil, err
	}
	if len(entries) > 0 {
		return "", nil, &atocore.InvalidError{Field: "--keep", Reason: fmt.Sprintf("%s is not empty", c.Keep), Hint: "what is in a store already would be found as well"}
	}
	return c.Keep, func() error { return nil }, nil
}

// checkRunPath refuses a place for runs that cannot be one.
func (c *evalCmd) checkRunPath() error {
	if c.RunTo == "" {
		return nil
	}
	info, err := os.Stat(c.RunTo)
	switch {
	case err == nil && c.Mode == "all" && !info.IsDir():
		return &atocore.InvalidError{Field: "--run", Reason: fmt.Sprintf("%s is a file, and there are three runs", c.RunTo), Hint: "name a folder, or one --mode"}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if parent := filepath.Dir(c.RunTo); err != nil {
		if _, err := os.Stat(parent); errors.Is(err, fs.ErrNotExist) {
			return &atocore.NotFoundError{Kind: "folder", ID: parent}
		}
	}
	return nil
}

// writeRun writes a run: whole, or not at all.
func (c *evalCmd) writeRun(r evaluation.Result) error {
	if c.RunTo == "" {
		return nil
	}
	name := c.RunTo
	if info, err := os.Stat(name); c.Mode == "all" || (err == nil && info.IsDir()) {
		if err := os.MkdirAll(name, 0o777); err != nil {
			return err
		}
		name = filepath.Join(name, string(r.Mode)+".run")
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".atocore-*.run")
	if err != nil {
		return err
	}
	err = errors.Join(r.Run.Write(f, "atocore-"+string(r.Mode)), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// evalBars show a bar for each step.
type evalBars struct {
	s      *session
	step   string
	show   func(done, total int)
	remove func()
}

func (b *evalBars) update(step string, done, total int) {
	if step != b.step {
		b.end()
		b.step = step
		b.show, b.remove = b.s.progress(step)
	}
	b.show(done, total)
}

func (b *evalBars) end() {
	if b.remove != nil {
		b.remove()
	}
}
