package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/atocore/atocore"
)

type searchCmd struct {
	Query string `arg:"" help:"What to look for, in any words; - reads it from standard input."`

	Project string   `placeholder:"P" help:"Of this project, by name or alias, and of none."`
	Type    []string `placeholder:"T" enum:"${types}" help:"Only memories of this type: ${oftype}. May be repeated."`
	Kind    []string `placeholder:"K" enum:"${kinds}" help:"Only this kind: ${ofkind}. May be repeated."`
	Status  []string `placeholder:"S" enum:"${statuses},all" help:"Memories of this status: ${ofstatus} or all. May be repeated. The default is active."`
	Tag     []string `placeholder:"T" sep:"none" help:"Only with this tag; repeated, with all of them."`
	After   when     `placeholder:"TIME" help:"Only from that time on."`
	Before  when     `placeholder:"TIME" help:"Only from before that time."`
	AsOf    when     `placeholder:"TIME" help:"As the store stood at that time."`
	Mode    string   `enum:"hybrid,text,vector" default:"hybrid" placeholder:"M" help:"hybrid, text or vector. The default is ${default}."`
	Weight  *float64 `placeholder:"W" help:"Share of the vectors in a hybrid search, above 0 and at most 1. The default is what the store measures."`
	Exact   bool     `help:"Compare every vector, instead of those that their codes choose."`
	Limit   int      `placeholder:"N" help:"At most so many. The default is 10."`
	Explain bool     `help:"Say how each score came about."`
}

func (searchCmd) Help() string {
	return `A query is words, not a syntax: quotes, operators and wildcards have no meaning.` + examples(
		`atocore search "when do deploys go out"`,
		`atocore search "database" --project website --kind memory,state`,
		`atocore search "retry policy" --limit 3 --explain --json`,
	)
}

func (c *searchCmd) Run(ctx context.Context, s *session) error {
	weight, err := weightOf("search", c.Weight)
	if err != nil {
		return err
	}
	text, err := s.text(ctx, c.Query)
	if err != nil {
		return err
	}
	query := atocore.Query{
		Text: text, Mode: atocore.Mode(c.Mode), Limit: c.Limit, Project: c.Project,
		Types: typesOf(c.Type), Statuses: statusesOf(c.Status), Tags: c.Tag,
		After: c.After.t, Before: c.Before.t, AsOf: c.AsOf.t, Explain: c.Explain, Weight: weight, Exact: c.Exact,
	}
	for _, k := range c.Kind {
		query.Kinds = append(query.Kinds, atocore.Kind(k))
	}
	var results atocore.Results
	err = s.with(ctx, reads, func(store *atocore.Store) (err error) {
		results, err = store.Retriever(nil).Search(ctx, query)
		return err
	})
	if err != nil {
		return err
	}
	for _, n := range results.Notes {
		s.note("%s", n)
	}
	if !s.out.json && len(results.Hits) == 0 {
		if len(results.Elsewhere) == 0 { // the library has a note where there is something
			s.note("nothing found")
		}
		for _, e := range results.Elsewhere {
			s.note("project %s has %d that fit", e.Project, e.Matches)
		}
	}
	return s.out.put(results, func() {
		for _, h := range results.Hits {
			s.hitLine(h)
		}
	})
}

// weightOf is the weight that a flag gives, or 0 for none.
func weightOf(command string, flag *float64) (float64, error) {
	if flag == nil {
		return 0, nil
	}
	if !(*flag > 0 && *flag <= 1) {
		return 0, &usageError{command: "atocore " + command, reason: fmt.Sprintf("--weight %v is not above 0 and at most 1; --mode text leaves vectors out", *flag)}
	}
	return *flag, nil
}

func (s *session) hitLine(h atocore.Hit) {
	s.out.line("%.3f  %-11s  %-26s  %s  [%s]", h.Score, h.Kind, h.ID, oneLine(h.Text, maxCell), orDash(h.Source))
	if e := h.Explanation; e != nil {
		s.out.line("       = relevance %.3f × trust %.2f × project %.2f × recency %.2f × confidence %.2f × document %.2f × diversity %.2f",
			e.Relevance, e.Trust, e.Project, e.Recency, e.Confidence, e.Document, e.Diversity)
		s.out.line("       words %s; rank by words %s, by vectors %s, which weigh %.2f",
			orDash(strings.Join(e.Words, ", ")), rank(e.TextRank), rank(e.VectorRank), e.Weight)
		if e.Note != "" {
			s.out.line("       %s", e.Note)
		}
	}
}

// rank is a rank from 1, or a dash for none.
func rank(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}
