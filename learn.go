package atocore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/atocore/atocore/internal/analysis"
	"github.com/atocore/atocore/internal/propose"
	"github.com/atocore/atocore/internal/sqlite"
)

// Keys of the metadata of a memory that Learn has proposed.
const (
	ruleKey     = "rule"     // which rule found it
	proposalKey = "proposal" // by which it is known again, also when it was edited or forgotten
)

// Learnt says what became of an interaction.
type Learnt struct {
	Interaction Interaction `json:"interaction"`       // as stored; zero where it was skipped
	Known       bool        `json:"known"`             // whether the turn was there already: then nothing else was done
	Skipped     string      `json:"skipped,omitempty"` // why nothing was stored: "empty" once cleaned, or "trivial"
	Candidates  []Memory    `json:"candidates"`        // new in the review queue
	Reinforced  []Memory    `json:"reinforced"`        // said again
}

// What Learnt.Skipped says.
const (
	skippedEmpty   = "empty"
	skippedTrivial = "trivial"
)

// maxEchoes bounds how many sentences, beside those that are proposed, are compared
// with the memories that are alike; all are compared with those that are equal.
const maxEchoes = 16

// Learn captures an interaction as Capture does, and takes from it what rules find,
// without any model, in one transaction:
//
//   - a sentence that states a decision, a preference, a correction, a fact, or who
//     somebody is becomes a candidate, at most eight from one interaction, which waits
//     for Accept or Reject; see docs/candidates.md;
//   - a live memory that is said again, in the same words or nearly so, is
//     reinforced, once, whoever says it.
//
// Nothing becomes active by itself. What was proposed before is not proposed again,
// whether it was accepted, edited, rejected, replaced or forgotten, nor is what says
// nearly the same as a rejected one.
//
// An interaction that is trivial (see Interaction.Trivial), or of which nothing is
// left, is not stored: Learnt.Skipped says so, and there is no error. A turn that was
// captured before is returned as Known, and nothing more is done. It fails with
// ErrInvalid, and with ErrNotFound where i.Project does not exist.
func (s *Store) Learn(ctx context.Context, i Interaction) (Learnt, error) {
	done, err := s.learn(ctx, i)
	if err != nil {
		return Learnt{}, fmt.Errorf("learn: %w", err)
	}
	return done, nil
}

func (s *Store) learn(ctx context.Context, i Interaction) (Learnt, error) {
	done := Learnt{Candidates: []Memory{}, Reinforced: []Memory{}}
	if strings.TrimSpace(i.Prompt+i.Response) == "" {
		done.Skipped = skippedEmpty
		return done, nil
	}
	if err := i.validate(); err != nil {
		return done, err
	}
	i = i.Clean()
	switch {
	case i.Prompt+i.Response == "":
		done.Skipped = skippedEmpty
		return done, nil
	case i.Trivial():
		done.Skipped = skippedTrivial
		return done, nil
	}
	if err := i.validate(); err != nil {
		return done, err
	}
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		if i.Project != "" {
			p, err := projectNamed(tx, i.Project)
			if err != nil {
				return err
			}
			i.Project = p
		}
		old, found, err := interactionByTurn(tx, &i)
		if found {
			done.Interaction, done.Known = old, true
		}
		return err
	})
	if err != nil || done.Known {
		return done, err
	}
	said, err := s.heard(ctx, &i)
	if err != nil {
		return done, err
	}
	texts := []string{i.embedText()}
	for _, st := range said {
		if st.proposed {
			texts = append(texts, st.memory.embedText())
		}
	}
	var next Learnt
	err = s.write(ctx, texts, func(c *change) error {
		next = done
		var err error
		next, err = c.learn(i, said, next)
		return err
	})
	return next, err
}

// A saying is one sentence of an interaction.
type saying struct {
	text     string
	terms    []string
	proposed bool
	memory   Memory   // to be, where it is proposed
	alike    []string // IDs of memories that say nearly the same, as the store was before
}

// heard is what is said in an interaction, proposals first.
func (s *Store) heard(ctx context.Context, i *Interaction) ([]saying, error) {
	var all []saying
	seen := map[string]bool{}
	for _, p := range propose.From(i.Prompt, i.Response) {
		m := Memory{
			Type: typeOf(p, i.Project), Status: Candidate, Content: p.Text, Project: i.Project, Confidence: p.Confidence,
			Metadata:   map[string]string{ruleKey: string(p.Rule)},
			Provenance: Provenance{Client: i.Client, Session: i.Session, Speaker: string(p.Speaker)},
		}
		if m.Type == Identity {
			m.Project = ""
		}
		all = append(all, saying{text: p.Text, terms: analysis.Terms(p.Text), proposed: true, memory: m})
		seen[analysis.Normalize(p.Text)] = true
	}
	for _, text := range []string{i.Prompt, i.Response} {
		for st := range propose.Sentences(text) {
			if len(all) >= maxSayings {
				break
			}
			text := propose.Bare(st.Text)
			norm := analysis.Normalize(text)
			if st.Question || seen[norm] || len(text) > maxSaying {
				continue
			}
			seen[norm] = true
			all = append(all, saying{text: text, terms: analysis.Terms(text)})
		}
	}
	compared := 0
	for n := range all {
		st := &all[n]
		if len(st.terms) < 3 && !st.proposed || !st.proposed && compared == maxEchoes {
			continue
		}
		if !st.proposed {
			compared++
		}
		var err error
		if st.alike, err = s.alike(ctx, st, i.Project); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Bounds of what is compared with memories: sentences, and bytes of one.
const (
	maxSayings = 200
	maxSaying  = 1000
)

// typeOf is the type of the memory that a proposal becomes.
func typeOf(p propose.Proposal, project string) MemoryType {
	switch p.Rule {
	case propose.Preference:
		return Preference
	case propose.Identity:
		return Identity
	case propose.Correction:
		if p.Working {
			return Adaptation
		}
	}
	if project != "" {
		return ProjectMemory
	}
	return Knowledge
}

// alike finds the memories, live or not, that say nearly the same: of the project, and
// those of none.
func (s *Store) alike(ctx context.Context, st *saying, project string) ([]string, error) {
	found, err := s.Retriever(nil).Search(ctx, Query{
		Text: st.text, Mode: TextOnly, Limit: 8, Project: project, Kinds: []Kind{KindMemory}, Statuses: statuses,
	})
	if err != nil {
		return nil, err
	}
	var ids []string
	for i := range found.Hits {
		h := &found.Hits[i]
		if (h.Project == "" || h.Project == project) && (restates(st.terms, analysis.Terms(h.Text)) || st.proposed && rewords(st.terms, analysis.Terms(h.Text))) {
			ids = append(ids, h.ID)
		}
	}
	return ids, nil
}

// learn captures the interaction and does what its sentences say.
func (c *change) learn(i Interaction, said []saying, done Learnt) (Learnt, error) {
	old, found, err := interactionByTurn(c.tx, &i)
	if err != nil {
		return done, err
	}
	if found { // another was faster
		done.Interaction, done.Known = old, true
		return done, nil
	}
	if i, err = c.capture(i); err != nil {
		return done, err
	}
	done.Interaction = i
	reinforced := map[string]bool{}
	for n := range said {
		st := &said[n]
		again, away, err := c.saidBefore(st, i.Project)
		if err != nil {
			return done, err
		}
		isNew := slices.ContainsFunc(done.Candidates, func(m Memory) bool { return m.ID == again.ID })
		switch {
		case again.ID != "" && !isNew && !reinforced[again.ID]:
			reinforced[again.ID] = true
			next := again
			next.Reinforced++
			next.ReinforcedAt, next.UpdatedAt = c.now, c.now
			if err := c.putMemory("reinforce", &again, &next); err != nil {
				return done, err
			}
			done.Reinforced = append(done.Reinforced, next)
		case again.ID != "", away, !st.proposed:
		case slices.ContainsFunc(done.Candidates, func(m Memory) bool { return restates(st.terms, analysis.Terms(m.Content)) }):
		default:
			m, err := c.fill(st.memory)
			if err != nil {
				return done, err
			}
			m.Provenance.Source = "interaction:" + i.ID
			m.Metadata = map[string]string{ruleKey: m.Metadata[ruleKey], proposalKey: keyOfProposal(m.Project, m.Content)}
			if err := c.putMemory("propose", nil, &m); err != nil {
				return done, err
			}
			done.Candidates = append(done.Candidates, m)
		}
	}
	return done, nil
}

// saidBefore finds the live memory that a sentence says again. away reports that it is
// not to be proposed, because it was before.
func (c *change) saidBefore(st *saying, project string) (again Memory, away bool, err error) {
	scopes := []string{project, ""}
	for _, scope := range slices.Compact(scopes) {
		for _, t := range memoryTypes {
			same := Memory{Type: t, Project: scope, Content: st.text}
			if m, found, err := liveMemory(c.tx, same.key()); err != nil || found {
				return m, false, err
			}
		}
	}
	if st.proposed {
		m, found, err := proposedBefore(c.tx, keyOfProposal(st.memory.Project, st.text))
		switch {
		case err != nil:
			return m, false, err
		case found && m.live():
			return m, true, nil
		case found:
			away = true
		}
	}
	for _, id := range st.alike {
		m, err := memoryByID(c.tx, id)
		if isNotFound(err) {
			continue // forgotten meanwhile
		}
		if err != nil {
			return m, away, err
		}
		terms := analysis.Terms(m.Content)
		switch {
		case m.live() && restates(st.terms, terms): // and not revised meanwhile
			return m, away, nil
		case m.Status == Invalid && m.Metadata[proposalKey] != "" && m.Project == st.memory.Project && (restates(st.terms, terms) || rewords(st.terms, terms)):
			away = true
		}
	}
	return Memory{}, away, nil
}

// framing are the terms by which a statement is put, rather than what it says.
var framing = sync.OnceValue(func() []string {
	return analysis.Terms("we I our my the a an that to over than as so said really decided agreed settled decision concluded also just")
})

// rewords reports whether two statements, as their terms, say the same but for how
// they are put: we agreed to …, as I said, we decided that …. Where one was rejected
// that is enough for the other to stay away.
func rewords(a, b []string) bool {
	core := func(terms []string) []string {
		return slices.DeleteFunc(slices.Clone(terms), func(t string) bool { return slices.Contains(framing(), t) })
	}
	a, b = core(a), core(b)
	return len(a) > 1 && len(b) > 1 && restates(a, b)
}

// keyOfProposal is by what a proposal is known again: a hash of its words, in lower
// case and without the signs around them, and of its project; not of the type, which
// a reviewer may change.
func keyOfProposal(project, content string) string {
	words := strings.Fields(strings.ToLower(analysis.Normalize(content)))
	for i, w := range words {
		words[i] = strings.Trim(w, ".,;:!?…\"'`()[]“”‘’")
	}
	words = slices.DeleteFunc(words, func(w string) bool { return w == "" })
	sum := sha256.Sum256([]byte(project + "\x00" + strings.Join(words, " ")))
	return hex.EncodeToString(sum[:16])
}

// proposedBefore finds the memory that a proposal of the key became, the newest where
// there are several; a zero one where it was forgotten.
func proposedBefore(tx *sqlite.Tx, key string) (m Memory, found bool, err error) {
	found, err = tx.QueryRow(func(r sqlite.Row) { scanMemory(r, &m) },
		`SELECT `+memoryColumns+` FROM memories
		WHERE metadata ->> '$.proposal' = ? AND metadata ->> '$.proposal' IS NOT NULL
		ORDER BY status IN ('candidate', 'active') DESC, id DESC
		LIMIT 1`, key)
	if err != nil || found {
		return m, found, err
	}
	found, err = tx.QueryRow(func(sqlite.Row) {},
		`SELECT 1 FROM journal
		WHERE entity = 'tombstone' AND after ->> '$.proposal' = ? AND after ->> '$.proposal' IS NOT NULL
		LIMIT 1`, key)
	return Memory{}, found, err
}
