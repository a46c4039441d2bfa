package evaluation_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/evaluation"
)

// What words alone find, and what vectors add.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "evaluation-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := atocore.Open(ctx, dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	set := &evaluation.Set{
		Documents: []evaluation.Document{
			{ID: "boiler", Text: "The boiler failed on 3 January."},
			{ID: "landlord", Text: "The landlord is Mr Okafor."},
			{ID: "invoices", Text: "Invoices are sent on the first of the month."},
		},
		Questions: []evaluation.Question{{ID: "q1", Text: "When did the boiler fail?"}, {ID: "q2", Text: "Who is the lanlord?"}},
		Labels:    evaluation.Labels{"q1": {"boiler": 1}, "q2": {"landlord": 1}},
	}
	report, err := evaluation.Evaluate(ctx, store, set, &evaluation.Options{Modes: []atocore.Mode{atocore.TextOnly, atocore.Hybrid}})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range report.Results {
		fmt.Printf("%s: hit@1 %.1f\n", r.Mode, r.Scores.Summary(0).Estimates[evaluation.Hit1].Mean)
	}
	// Output:
	// text: hit@1 0.5
	// hybrid: hit@1 1.0
}
