package atocore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/atocore/atocore/internal/sqlite"
)

// Unit is what a context pack's budget counts.
type Unit string

const (
	Tokens     Unit = "tokens"     // as RetrieverOptions.Tokens counts; the default
	Characters Unit = "characters" // Unicode code points
)

// Format is the form of a context pack's text.
type Format string

const (
	Markdown   Format = "markdown" // the default
	PlainText  Format = "text"
	JSONFormat Format = "json"
)

// Tier is a pack's order of trust, most trusted first.
type Tier string

const (
	TierState     Tier = "state"     // the project's curated state
	TierIdentity  Tier = "identity"  // identity, preferences, adaptations
	TierProject   Tier = "project"   // memories of type project
	TierKnowledge Tier = "knowledge" // knowledge and episodes
	TierDocuments Tier = "documents" // chunks of documents
)

const (
	defaultBudget  = 2000
	maxBudget      = 10_000_000
	packCandidates = 200
	maxStanding    = 500
	maxOmitted     = 50
)

var tiers = []struct {
	tier  Tier
	title string
	// share bounds, in a first pass, how much of the budget a tier may take,
	// so that a long list of preferences leaves room for an answer. What is
	// left over is filled in a second pass, in the same order.
	share float64
}{
	{TierState, "Project state", 0.4},
	{TierIdentity, "Identity and preferences", 0.3},
	{TierProject, "Project memories", 0.4},
	{TierKnowledge, "Knowledge and episodes", 0.5},
	{TierDocuments, "Documents", 1},
}

// A ContextRequest asks for a context pack.
type ContextRequest struct {
	Prompt  string // what the pack is for; at most MaxQueryBytes
	Project string // a project's name or alias; its state comes first. Empty is every project, and state that matches
	Global  bool   // only what belongs to no project, where Project is empty
	Budget  int    // how long the pack's text may be, in Unit; 0 is 2000
	Unit    Unit   // empty is Tokens
	Format  Format // empty is Markdown
	AsOf    time.Time

	// MinRelevance is how relevant to the prompt, from 0 to 1, a record has to be. What
	// is less so is left out, and with nothing else what is in without matching the
	// prompt is left out as well: the pack is empty. It is measured by how many of the
	// prompt's words the record has, each by how rare it is, whatever else is found.
	// 0 asks for nothing; about 0.35 keeps out what is not about the prompt.
	MinRelevance float64
}

// A Pack is a context for a prompt. The same store and request give the same
// bytes.
type Pack struct {
	Text    string     `json:"text"`   // what to put into the prompt; empty where nothing fits or nothing is relevant
	Tokens  int        `json:"tokens"` // of Text, whatever the unit of the budget
	Budget  int        `json:"budget"`
	Unit    Unit       `json:"unit"`
	Items   []PackItem `json:"items"`   // what is in, in its order
	Omitted []Omission `json:"omitted"` // what was considered and left out, at most 50
	Hash    string     `json:"hash"`    // SHA-256 of Text, hexadecimal
	Notes   []string   `json:"notes,omitempty"`
}

// A PackItem is one record in a pack. N is the number by which the text cites
// it.
type PackItem struct {
	N       int        `json:"n"`
	ID      string     `json:"id"`
	Kind    Kind       `json:"kind"`
	Tier    Tier       `json:"tier"`
	Type    MemoryType `json:"type,omitempty"` // of a memory
	Source  string     `json:"source"`
	Heading []string   `json:"heading,omitempty"`
	Project string     `json:"project"`
	Speaker string     `json:"speaker,omitempty"`
	Time    time.Time  `json:"time,omitzero"`
	Score   float64    `json:"score"` // as in Hit; 0 for what is in without matching the prompt
	Text    string     `json:"text"`  // as it is stored; the pack shows it without control characters
}

// An Omission is a record that was considered for a pack and left out.
type Omission struct {
	ID     string `json:"id"`
	Kind   Kind   `json:"kind"`
	Tier   Tier   `json:"tier"`
	Source string `json:"source"`
	Reason string `json:"reason"`
}

// Context packs what the store knows about a prompt into a budget, in order of
// trust: the project's state, identity and preferences, project memories,
// knowledge and episodes, chunks of documents. State, identity and preferences
// are in also where the prompt does not mention them.
//
// The text never exceeds the budget. Every item is numbered and names its
// source; what says nearly the same as an item before it is left out. Retrieved
// text is quoted line by line, so that nothing in it can end its quotation or
// pose as another part of the pack.
func (r *Retriever) Context(ctx context.Context, req ContextRequest) (Pack, error) {
	if err := req.normalise(); err != nil {
		return Pack{}, fmt.Errorf("context: %w", err)
	}
	b := packing{r: r, req: req}
	if err := b.collect(ctx); err != nil {
		return Pack{}, fmt.Errorf("context: %w", err)
	}
	b.fill()
	return b.pack(), nil
}

func (req *ContextRequest) normalise() error {
	req.Budget = cmp.Or(req.Budget, defaultBudget)
	req.Unit = cmp.Or(req.Unit, Tokens)
	req.Format = cmp.Or(req.Format, Markdown)
	if req.Budget < 1 || req.Budget > maxBudget {
		return invalid("budget", fmt.Sprintf("%d is out of range", req.Budget), fmt.Sprintf("use 1 to %d", maxBudget))
	}
	if req.Unit != Tokens && req.Unit != Characters {
		return invalid("unit", fmt.Sprintf("%q is not a unit", req.Unit), "use tokens or characters")
	}
	if req.Format != Markdown && req.Format != PlainText && req.Format != JSONFormat {
		return invalid("format", fmt.Sprintf("%q is not a format", req.Format), "use markdown, text or json")
	}
	if !(req.MinRelevance >= 0 && req.MinRelevance <= 1) { // also refuses NaN
		return invalid("min_relevance", fmt.Sprintf("%v is not between 0 and 1", req.MinRelevance), "")
	}
	q := Query{Text: req.Prompt}
	return q.validate()
}

// A packing is one run of Context.
type packing struct {
	r     *Retriever
	req   ContextRequest
	notes []string

	irrelevant []Omission

	offered []offer // by tier, then as offer orders them
	chosen  []int   // indexes into offered, ascending
	total   int     // what the chosen ones and their frame cost, part by part
}

// collect gathers the offers of all tiers from one view of the store.
func (b *packing) collect(ctx context.Context) error {
	se, err := b.r.s.newSearch(ctx, Query{
		Text: b.req.Prompt, Mode: Hybrid, Project: b.req.Project, AsOf: b.req.AsOf, Limit: packCandidates,
		Kinds: []Kind{KindMemory, KindState, KindChunk},
	})
	if err != nil {
		return err
	}
	if b.req.Global && b.req.Project == "" {
		se.project = noProject
	}
	var state []StateEntry
	var always []Memory
	err = b.r.s.read(ctx, func(tx *sqlite.Tx) error {
		if err := se.run(ctx, tx); err != nil {
			return err
		}
		if se.project != "" && se.project != noProject {
			f := StateFilter{Project: se.project, AsOf: b.req.AsOf}
			var err error
			if state, err = f.state(tx); err != nil {
				return err
			}
		}
		for _, t := range []MemoryType{Identity, Preference} {
			some, err := b.newest(tx, t, &se)
			if err != nil {
				return err
			}
			always = append(always, some...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.notes = se.notes
	if b.req.MinRelevance > 0 && !b.leaveOutIrrelevant(&se) {
		b.notes = append(slices.Clone(b.notes), "nothing is relevant enough to the prompt")
		return nil
	}
	b.offer(se.results().Hits, state, always)
	return nil
}

// leaveOutIrrelevant drops the candidates that are not relevant enough, and reports
// whether one is left.
func (b *packing) leaveOutIrrelevant(se *search) bool {
	kept := make([]*candidate, 0, len(se.candidates))
	for _, c := range se.candidates {
		if se.relevance(c) >= b.req.MinRelevance {
			kept = append(kept, c)
			continue
		}
		b.irrelevant = append(b.irrelevant, Omission{ID: c.hit.ID, Kind: c.hit.Kind, Tier: tierOf(&c.hit), Source: c.hit.Source,
			Reason: "not relevant enough to the prompt"})
	}
	se.candidates = kept
	return len(kept) > 0
}

// newest returns the memories of a type that are in without matching the
// prompt: the newest ones, up to a bound that no budget of today has room for.
func (b *packing) newest(tx *sqlite.Tx, t MemoryType, se *search) ([]Memory, error) {
	var out []Memory
	f := MemoryFilter{Types: []MemoryType{t}, AsOf: b.req.AsOf}
	for m, err := range f.memories(tx) {
		if err != nil {
			return nil, err
		}
		if m.validAt(se.now) && (m.Project == "" || m.Project == se.project) {
			out = append(out, m)
		}
		if len(out) == maxStanding {
			break
		}
	}
	return out, nil
}

// offer puts the tiers together: what matched, best first, then what is in
// regardless: state by category and key, identity and preferences oldest first.
func (b *packing) offer(hits []Hit, state []StateEntry, always []Memory) {
	byTier := map[Tier][]PackItem{}
	seen := map[string]bool{}
	add := func(it PackItem) {
		if !seen[it.ID] {
			seen[it.ID] = true
			byTier[it.Tier] = append(byTier[it.Tier], it)
		}
	}
	for i := range hits {
		h := &hits[i]
		add(PackItem{ID: h.ID, Kind: h.Kind, Tier: tierOf(h), Type: h.Type, Source: h.Source, Heading: h.Heading,
			Project: h.Project, Speaker: h.Speaker, Time: h.Time, Score: h.Score, Text: h.Text})
	}
	for i := range state {
		e := &state[i]
		add(PackItem{ID: e.ID, Kind: KindState, Tier: TierState, Project: e.Project, Time: e.UpdatedAt, Text: e.Key + ": " + e.Value,
			Source: cmp.Or(e.Source, "state:"+e.Project+"/"+e.Category+"/"+e.Key)})
	}
	slices.SortFunc(always, func(x, y Memory) int { return cmp.Compare(x.ID, y.ID) })
	for i := range always {
		m := &always[i]
		add(PackItem{ID: m.ID, Kind: KindMemory, Tier: TierIdentity, Type: m.Type, Project: m.Project, Speaker: m.Provenance.Speaker,
			Text: m.Content, Time: firstTime(m.ValidFrom, m.CreatedAt), Source: cmp.Or(m.Provenance.Source, "memory:"+m.ID)})
	}
	for _, t := range tiers {
		for _, it := range byTier[t.tier] {
			b.offered = append(b.offered, offer{item: it})
		}
	}
}

func tierOf(h *Hit) Tier {
	switch h.Kind {
	case KindState:
		return TierState
	case KindChunk:
		return TierDocuments
	}
	switch h.Type {
	case Identity, Preference, Adaptation:
		return TierIdentity
	case ProjectMemory:
		return TierProject
	}
	return TierKnowledge
}

// pack renders what was chosen.
func (b *packing) pack() Pack {
	text := b.render()
	sum := sha256.Sum256([]byte(text))
	p := Pack{
		Text: text, Tokens: b.r.tokens(text), Budget: b.req.Budget, Unit: b.req.Unit,
		Items: []PackItem{}, Omitted: []Omission{}, Hash: hex.EncodeToString(sum[:]), Notes: b.notes,
	}
	if len(b.chosen) == 0 && len(b.offered) > 0 {
		p.Notes = append(slices.Clone(p.Notes), fmt.Sprintf("no record fits the budget of %d %s: the smallest takes about %d", b.req.Budget, b.req.Unit, b.least()))
	}
	for n, i := range b.chosen {
		it := b.offered[i].item
		it.N = n + 1
		p.Items = append(p.Items, it)
	}
	for i := range b.offered {
		o := &b.offered[i]
		if o.chosen {
			continue
		}
		if len(p.Omitted) == maxOmitted {
			p.Notes = append(slices.Clone(p.Notes), fmt.Sprintf("more than %d records were left out", maxOmitted))
			break
		}
		p.Omitted = append(p.Omitted, Omission{ID: o.item.ID, Kind: o.item.Kind, Tier: o.item.Tier, Source: o.item.Source, Reason: o.omitted})
	}
	for _, o := range b.irrelevant {
		in := slices.ContainsFunc(p.Items, func(it PackItem) bool { return it.ID == o.ID })
		in = in || slices.ContainsFunc(p.Omitted, func(p Omission) bool { return p.ID == o.ID })
		if !in && len(p.Omitted) < maxOmitted {
			p.Omitted = append(p.Omitted, o)
		}
	}
	return p
}
