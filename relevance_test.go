package atocore_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/atocore/atocore"
)

// relevanceSet reads a file of memories, of prompts that one of them answers, each
// with words of it, and of prompts that none answers.
func relevanceSet(t *testing.T) (memories []atocore.Memory, answered [][2]string, unanswered []string) {
	t.Helper()
	src, err := os.ReadFile("testdata/relevance.txt")
	if err != nil {
		t.Fatal(err)
	}
	section := ""
	for line := range strings.Lines(string(src)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = line
		case section == "[memories]":
			typ, content, _ := strings.Cut(line, ": ")
			memories = append(memories, atocore.Memory{Type: atocore.MemoryType(typ), Content: content})
		case section == "[answered]":
			prompt, answer, _ := strings.Cut(line, " | ")
			answered = append(answered, [2]string{prompt, answer})
		default:
			unanswered = append(unanswered, line)
		}
	}
	if len(memories) < 50 || len(answered) < 30 || len(unanswered) < 50 {
		t.Fatalf("the set is not whole: %d, %d, %d", len(memories), len(answered), len(unanswered))
	}
	return memories, answered, unanswered
}

// crowd is what else a store of some hundred memories may hold: statements about
// ten services that share words with prompts which they do not answer.
func crowd() []atocore.Memory {
	var out []atocore.Memory
	for _, service := range strings.Fields("ledger roster courier beacon harbour orchard lantern compass quarry meadow") {
		for _, what := range []string{
			"The %s service listens on port 8443 behind the gateway.",
			"%s is written in Go and deployed with Helm.",
			"The owner of %s is the payments group; ask in its channel.",
			"Tests of %s run against a container and take four minutes.",
			"%s reads its configuration from environment variables only.",
			"The error rate of %s has to stay below 0.1 percent.",
			"In %s, all functions that touch the network take a context first.",
			"The file format of %s is versioned; version 3 is current.",
			"%s keeps its cache in Redis with a lifetime of ten minutes.",
			"The build of %s fails on warnings.",
			"The name column of the %s table is unique without case.",
			"%s validates email addresses by sending a mail, not by a pattern.",
			"The documentation of %s is generated from the code every night.",
			"The worker of %s is idle at night and may be stopped then.",
			"The parser of %s accepts dates in ISO form only.",
			"%s is released every two weeks; the version is in the tag.",
			"Memory of %s is limited to 512 MB in production.",
			"The settings page of %s is rendered on the server.",
			"%s uses a mutex around the map of sessions.",
			"The pull requests of %s need two reviews.",
		} {
			out = append(out, atocore.Memory{Type: atocore.ProjectMemory, Content: fmt.Sprintf(what, service)})
		}
	}
	return out
}

// TestMinRelevance measures the threshold that the documentation names: how often a
// pack speaks where it has an answer, and where it has none.
func TestMinRelevance(t *testing.T) {
	const threshold = 0.35
	memories, answered, unanswered := relevanceSet(t)
	for _, tt := range []struct {
		name            string
		more            []atocore.Memory
		answers, chance int // at least, at most
	}{
		{name: "dozens", answers: 28, chance: 4},
		{name: "hundreds", more: crowd(), answers: 28, chance: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openStore(t, nil)
			if _, err := s.RememberAll(t.Context(), append(memories, tt.more...)); err != nil {
				t.Fatal(err)
			}
			pack := func(prompt string) atocore.Pack {
				p, err := s.Retriever(nil).Context(t.Context(), atocore.ContextRequest{Prompt: prompt, Budget: 1000, MinRelevance: threshold})
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			answers, right := 0, 0
			for _, a := range answered {
				text := pack(a[0]).Text
				if text != "" {
					answers++
				} else {
					t.Logf("silent: %s", a[0])
				}
				if strings.Contains(text, a[1]) {
					right++
				} else {
					t.Logf("no answer: %s", a[0])
				}
			}
			chance := 0
			for _, prompt := range unanswered {
				if p := pack(prompt); p.Text != "" {
					chance++
					t.Logf("speaks of %q: %s", p.Items[len(p.Items)-1].Text, prompt)
				}
			}
			t.Logf("speaks for %d of %d, right in %d; for %d of %d without an answer", answers, len(answered), right, chance, len(unanswered))
			if answers < tt.answers || chance > tt.chance {
				t.Errorf("speaks for %d prompts with an answer, want %d at least; for %d without, want %d at most", answers, tt.answers, chance, tt.chance)
			}
		})
	}
}

// TestMinRelevanceSmall holds a store of hardly anything to the same: a decision is
// found by a question about it, and what is in without matching the prompt does not
// speak for itself.
func TestMinRelevanceSmall(t *testing.T) {
	one := openStore(t, nil)
	if _, err := one.Remember(t.Context(), atocore.Memory{Type: atocore.Knowledge, Content: "The landlord is Mr Okafor, at 12 Mill Lane."}); err != nil {
		t.Fatal(err)
	}
	req := atocore.ContextRequest{Prompt: "Where in Mill Lane is the landlord?", MinRelevance: 0.35}
	if p, err := one.Retriever(nil).Context(t.Context(), req); err != nil || len(p.Items) != 1 {
		t.Errorf("a store of one memory says %+v, %v", p.Items, err)
	}
	s := openStore(t, nil)
	for _, m := range []atocore.Memory{
		{Type: atocore.Identity, Content: "The user is called Tuva."},
		{Type: atocore.Preference, Content: "Answers are short."},
		{Type: atocore.ProjectMemory, Content: "We decided to use Postgres for the billing service."},
	} {
		if _, err := s.Remember(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(prompt string, least float64) atocore.Pack {
		t.Helper()
		p, err := s.Retriever(nil).Context(t.Context(), atocore.ContextRequest{Prompt: prompt, MinRelevance: least})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := ask("Which database does the billing service use?", 0.35); len(p.Items) != 3 {
		t.Errorf("a question with an answer gives %d items, want the answer, identity and preference: %s", len(p.Items), p.Text)
	}
	p := ask("write a haiku about autumn", 0.35)
	if p.Text != "" || len(p.Items) != 0 || len(p.Notes) == 0 {
		t.Errorf("a prompt that nothing is about gives %q, notes %q, want nothing and a note that says so", p.Text, p.Notes)
	}
	if p := ask("write a haiku about autumn", 0); len(p.Items) != 2 {
		t.Errorf("without a threshold there are %d items, want identity and preference", len(p.Items))
	}
	p = ask("is the service of the billing provider down?", 1)
	if p.Text != "" || len(p.Omitted) == 0 || !strings.Contains(p.Omitted[0].Reason, "relevant") {
		t.Errorf("below the threshold there are %q, omitted %v", p.Text, p.Omitted)
	}
	for _, bad := range []float64{-0.1, 1.1, math.NaN()} {
		_, err := s.Retriever(nil).Context(t.Context(), atocore.ContextRequest{Prompt: "p", MinRelevance: bad})
		if !errors.Is(err, atocore.ErrInvalid) {
			t.Errorf("MinRelevance %v: %v, want ErrInvalid", bad, err)
		}
	}
}
