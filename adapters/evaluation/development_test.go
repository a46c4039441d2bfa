package evaluation_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
	"github.com/atocore/atocore/adapters/evaluation"
)

// The development sets are other people's texts and not part of the repository.
//
//	go test ./adapters/evaluation -run Development -v -timeout 1h -eval DIR
var (
	evalDir  = flag.String("eval", "", "folder of retrieval evaluation sets; empty skips the evaluation")
	evalSets = flag.String("eval.sets", "", "comma-separated sets; empty is all")
)

// floors are the least nDCG@10 of hybrid search that this version stands for; what
// SQLite's own BM25 reaches is in docs/evaluation.md.
var floors = map[string]float64{
	"locomo": 0.56, "beam": 0.34, "scifact": 0.70, "cranfield": 0.52, "claude-docs": 0.79, "md-hugo": 0.50, "md-astro-zh": 0.79,
}

// TestDevelopmentSets holds hybrid search to the floors, and to its better side:
// vectors do no harm, and help with misspelt questions.
func TestDevelopmentSets(t *testing.T) {
	if *evalDir == "" {
		t.Skip("no -eval folder")
	}
	for name, floor := range floors {
		if *evalSets != "" && !strings.Contains(","+*evalSets+",", ","+name+",") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			file := func(file string) string {
				full := filepath.Join(*evalDir, name, file)
				if _, err := os.Stat(full); errors.Is(err, fs.ErrNotExist) {
					full += ".gz"
				}
				return full
			}
			set, err := evaluation.ReadSet(file("corpus.jsonl"), file("queries.jsonl"), file("qrels.tsv"), evaluation.Documents)
			if err != nil {
				t.Fatal(err)
			}
			corpus, err := evaluation.Load(t.Context(), atocoretest.NewStore(t, nil), set, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range corpus.Refused {
				t.Logf("left out %s: %s", r.ID, r.Reason)
			}
			ndcg := func(questions []evaluation.Question, mode atocore.Mode) float64 {
				run, _, err := corpus.Ask(t.Context(), questions, mode)
				if err != nil {
					t.Fatal(err)
				}
				scores, err := set.Score(run)
				if err != nil {
					t.Fatal(err)
				}
				return scores.Summary(0).Estimates[evaluation.NDCG10].Mean
			}
			questions, slips := set.Labelled(), evaluation.Misspell(set.Labelled())
			text, hybrid, vector := ndcg(questions, atocore.TextOnly), ndcg(questions, atocore.Hybrid), ndcg(questions, atocore.VectorOnly)
			slipText, slipHybrid := ndcg(slips, atocore.TextOnly), ndcg(slips, atocore.Hybrid)
			t.Logf("nDCG@10: text %.4f vector %.4f hybrid %.4f; misspelt: text %.4f hybrid %.4f", text, vector, hybrid, slipText, slipHybrid)
			if hybrid < floor {
				t.Errorf("hybrid nDCG@10 is %.4f, below %.3f", hybrid, floor)
			}
			if best := max(text, vector); hybrid < best-0.005 {
				t.Errorf("hybrid nDCG@10 is %.4f, below the better side's %.4f", hybrid, best)
			}
			if slipHybrid <= slipText {
				t.Errorf("misspelt: hybrid nDCG@10 is %.4f, not above text's %.4f", slipHybrid, slipText)
			}
		})
	}
}
