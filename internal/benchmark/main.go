// Command benchmark builds stores of made-up records, measures how fast they are
// written, searched and opened, how much they take, and how much of what is nearest
// they find, and prints a table; beside chromem-go on the same work. It is a module
// of its own, so that no user of atocore downloads chromem-go.
//
//	go run -C internal/benchmark . -sizes 10000,100000 -dims 384,768
//
// docs/performance.md says what is measured and how, and keeps the table.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/atocore/atocore/internal/benchtext"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if len(os.Args) == 2 && os.Args[1] == workerFlag {
		err = work(ctx, os.Stdin, os.Stdout)
	} else {
		err = runAll(ctx, os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

// A run is one run of the program.
type run struct {
	dir      string
	cache    string
	method   method
	patience time.Duration   // for one series
	rebuild  map[string]bool // stores that are still to be built anew
	corpus   *benchtext.Corpus
	result   result
	began    time.Time
}

// The phases, in their order.
var phases = []struct {
	name string
	run  func(*run, context.Context, []store) error
}{
	{"ingest", (*run).ingest},
	{"size", (*run).size},
	{"write", (*run).writes},
	{"cold", (*run).cold},
	{"memory", (*run).memory},
	{"search", (*run).search},
	{"context", (*run).packs},
	{"recall", (*run).recall},
}

func phaseNames() []string {
	var out []string
	for _, p := range phases {
		out = append(out, p.name)
	}
	return out
}

func runAll(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("benchmark", flag.ContinueOnError)
	r := &run{rebuild: map[string]bool{}, corpus: benchtext.New(), began: time.Now()}
	sizes := fs.String("sizes", "10000,100000", "how many records, with commas between")
	dims := fs.String("dims", "384,768", "dimensions of the vectors that are given")
	only := fs.String("only", strings.Join(phaseNames(), ","), "phases to run")
	rebuild := fs.Bool("rebuild", false, "build stores anew that are there")
	jsonFile := fs.String("json", "", "also write everything as JSON to this `file`")
	from := fs.String("from", "", "measure nothing, and report what earlier runs of one commit have written to these `files`, with commas between")
	out := fs.String("out", "", "write the table to this `file` instead of standard output")
	page := fs.String("docs", "", "also renew the table in this `page`")
	fs.StringVar(&r.dir, "dir", "", "`directory` for the stores, which are kept for the next run; the default is atocore-benchmark among the temporary files")
	fs.IntVar(&r.method.Questions, "questions", 200, "questions of each search")
	fs.IntVar(&r.method.Recall, "recall", 100, "questions that recall is taken of")
	fs.IntVar(&r.method.Processes, "processes", 9, "cold starts")
	fs.IntVar(&r.method.Writes, "writes", 500, "single records to write")
	fs.IntVar(&r.method.ChromemMax, "chromem", 100_000, "the largest size at which chromem-go takes part")
	fs.DurationVar(&r.patience, "patience", 2*time.Minute, "stop asking a series after this time")
	if err := fs.Parse(args); err != nil {
		return err
	}
	var err error
	if *from != "" {
		if r.result, err = readResults(strings.Split(*from, ",")); err != nil {
			return fmt.Errorf("-from: %w", err)
		}
		return r.report(*out, *jsonFile, *page)
	}
	if r.method.Sizes, err = numbers(*sizes); err != nil {
		return fmt.Errorf("-sizes: %w", err)
	}
	if r.method.Dimensions, err = numbers(*dims); err != nil {
		return fmt.Errorf("-dims: %w", err)
	}
	for _, n := range []int{r.method.Questions, r.method.Recall, r.method.Processes, r.method.Writes} {
		if n < 1 {
			return fmt.Errorf("-questions, -recall, -processes and -writes have to be at least 1")
		}
	}
	if r.method.Recall > r.method.Questions {
		return fmt.Errorf("-recall is more than -questions")
	}
	if err := r.places(); err != nil {
		return err
	}
	r.result.Machine, r.result.Method = thisMachine(ctx), r.method
	if err := r.measure(ctx, strings.Split(*only, ","), *rebuild); err != nil {
		return err
	}
	return r.report(*out, *jsonFile, *page)
}

// places settles where the stores are.
func (r *run) places() (err error) {
	if r.dir == "" {
		r.dir = filepath.Join(os.TempDir(), "atocore-benchmark")
	}
	if r.dir, err = filepath.Abs(r.dir); err != nil {
		return err
	}
	r.cache = filepath.Join(r.dir, "compiled")
	return os.MkdirAll(r.dir, 0o700)
}

func numbers(list string) (out []int, err error) {
	for _, s := range strings.Split(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a list of positive numbers", list)
		}
		out = append(out, n)
	}
	return out, nil
}

func (r *run) measure(ctx context.Context, only []string, rebuild bool) error {
	for _, name := range only {
		if !slices.Contains(phaseNames(), name) {
			return fmt.Errorf("-only: %q is not one of %s", name, strings.Join(phaseNames(), ", "))
		}
	}
	for _, n := range r.method.Sizes {
		stores := r.stores(n)
		for _, s := range stores {
			r.rebuild[s.dir] = rebuild
		}
		for _, p := range phases {
			if !slices.Contains(only, p.name) {
				continue
			}
			began := time.Now()
			if err := p.run(r, ctx, stores); err != nil {
				return fmt.Errorf("%s at %d records: %w", p.name, n, err)
			}
			r.progress("phase %s at %d records took %s", p.name, n, time.Since(began).Round(time.Second/10))
		}
	}
	return nil
}

// progress tells on standard error what is going on.
func (r *run) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%7.1fs  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

func (r *run) report(out, jsonFile, page string) error {
	if jsonFile != "" {
		data, err := json.MarshalIndent(r.result, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(jsonFile, append(data, '\n'), 0o600); err != nil {
			return err
		}
	}
	table := r.result.markdown()
	if page != "" {
		if err := renew(page, table); err != nil {
			return err
		}
	}
	if out != "" {
		return os.WriteFile(out, []byte(table), 0o600)
	}
	_, err := fmt.Print(table)
	return err
}
