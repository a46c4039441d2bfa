package atocore

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/atocore/atocore/internal/analysis"
)

// An offer is a record that may go into the pack.
type offer struct {
	item    PackItem
	chosen  bool
	omitted string // why not
	twin    *offer // what says nearly the same and is chosen instead, if that is why

	shown *shownItem
	cost  int                 // what the item adds to the pack, once it is shown
	terms []string            // of the text, in their order, once they are needed
	words map[string]struct{} // the same as a set
}

const noRoom = "does not fit the budget"

// fill chooses what fits, tier by tier: first within each tier's share, then
// whatever room is left.
func (b *packing) fill() {
	b.total = b.count(b.frame())
	for pass := range 2 {
		rest := b.offered
		for _, t := range tiers {
			limit := b.req.Budget
			if pass == 0 {
				limit = int(t.share * float64(b.req.Budget))
			}
			n := 0
			for n < len(rest) && rest[n].item.Tier == t.tier {
				n++
			}
			b.fillTier(rest[:n], b.tierLine(t.tier), limit)
			rest = rest[n:]
		}
	}
	for i := range b.offered {
		if b.offered[i].chosen {
			b.chosen = append(b.chosen, i)
		}
	}
	// The parts were counted one by one, and a counter need not be additive:
	// the whole has the last word. The least trusted goes first; a step that
	// grows with the pack keeps the number of counts small.
	for len(b.chosen) > 0 && b.count(b.render()) > b.req.Budget {
		for range 1 + len(b.chosen)/64 {
			last := len(b.chosen) - 1
			o := &b.offered[b.chosen[last]]
			o.chosen, o.omitted = false, noRoom
			b.chosen = b.chosen[:last]
		}
	}
	for i := range b.offered {
		if o := &b.offered[i]; o.twin != nil && !o.twin.chosen {
			o.omitted = noRoom // and so, in the end, was its twin
		}
	}
}

// least is what the smallest pack of an offer would cost.
func (b *packing) least() int {
	least := 0
	for i := range b.offered {
		o := &b.offered[i]
		if o.shown == nil {
			o.cost = b.cost(o)
		}
		if n := b.count(b.frame()) + b.count(b.tierLine(o.item.Tier)) + o.cost; least == 0 || n < least {
			least = n
		}
	}
	return least
}

// fillTier chooses from the offers of one tier, which may take up to limit.
func (b *packing) fillTier(offers []offer, heading string, limit int) {
	used, begun := 0, false
	for i := range offers {
		if offers[i].chosen {
			used += offers[i].cost
			begun = true
		}
	}
	for i := range offers {
		o := &offers[i]
		if o.chosen {
			continue
		}
		if o.shown == nil {
			o.cost = b.cost(o)
		}
		cost := o.cost
		if !begun {
			cost += b.count(heading)
		}
		if used+o.cost > limit || b.total+cost > b.req.Budget {
			if o.twin == nil {
				o.omitted = noRoom
			}
			continue
		}
		o.twin = b.duplicateOf(o)
		if o.twin == nil {
			o.twin = b.moreTrusted(o)
		}
		if o.twin != nil {
			o.omitted = "says nearly the same as " + o.twin.item.ID
			continue
		}
		o.chosen, o.omitted, begun = true, "", true
		used += o.cost
		b.total += cost
	}
}

// moreTrusted chooses, in place of o, an offer that says nearly the same, comes
// before it, and was left out only because its tier had taken its share: the
// more trusted of two twins is the one to cite. It returns nil where there is
// none or the pack has no room for it.
func (b *packing) moreTrusted(o *offer) *offer {
	if len(o.terms) == 0 {
		return nil // nothing that could be the same
	}
	for i := range b.offered {
		t := &b.offered[i]
		if t.item.Tier == o.item.Tier {
			return nil
		}
		if t.omitted != noRoom {
			continue
		}
		t.analyse()
		if !nearlySame(t, o) || b.duplicateOf(t) != nil {
			continue
		}
		cost := t.cost
		if !b.begun(t.item.Tier) {
			cost += b.count(b.tierLine(t.item.Tier))
		}
		if b.total+cost > b.req.Budget {
			continue
		}
		t.chosen, t.omitted = true, ""
		b.total += cost
		return t
	}
	return nil
}

// begun reports whether something of the tier is chosen.
func (b *packing) begun(tier Tier) bool {
	return slices.ContainsFunc(b.offered, func(o offer) bool { return o.chosen && o.item.Tier == tier })
}

func (b *packing) count(text string) int {
	if b.req.Unit == Characters {
		return utf8.RuneCountInString(text)
	}
	return b.r.tokens(text)
}

// duplicateOf finds what is chosen and says nearly the same, or nil.
func (b *packing) duplicateOf(o *offer) *offer {
	o.analyse()
	if len(o.terms) == 0 {
		return nil
	}
	for i := range b.offered {
		if other := &b.offered[i]; other.chosen && nearlySame(o, other) {
			return other
		}
	}
	return nil
}

func (o *offer) analyse() {
	if o.words != nil {
		return
	}
	o.terms = analysis.Terms(o.item.Text)
	o.words = make(map[string]struct{}, len(o.terms))
	for _, t := range o.terms {
		o.words[t] = struct{}{}
	}
}

// duplicateShare is how much of two texts has to be the same.
const duplicateShare = 0.8

// nearlySame reports whether one of two texts can stand for both. Of chunks of
// documents, 80 % of the words have to be common to both (Jaccard similarity).
// A statement is short, and one word can be all that matters in it (who, how
// many, not): there one text has to have the other's words, in their order,
// and at most a fifth more, none of which is a number or negates.
func nearlySame(a, b *offer) bool {
	if a.item.Kind == KindChunk && b.item.Kind == KindChunk {
		return similar(a.words, b.words)
	}
	return restates(a.terms, b.terms)
}

// restates reports whether two statements, as the terms of their texts, say the same.
func restates(a, b []string) bool {
	short, long := a, b
	if len(short) > len(long) {
		short, long = long, short
	}
	if float64(len(short)) < duplicateShare*float64(len(long)) {
		return false
	}
	for _, t := range long {
		switch {
		case len(short) > 0 && short[0] == t:
			short = short[1:]
		case telling(t):
			return false
		}
	}
	return len(short) == 0
}

func similar(a, b map[string]struct{}) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if float64(len(a)) < duplicateShare*float64(len(b)) {
		return false
	}
	both := 0
	for w := range a {
		if _, ok := b[w]; ok {
			both++
		}
	}
	return float64(both) >= duplicateShare*float64(len(a)+len(b)-both)
}

// telling reports whether a further word changes what a statement says.
func telling(term string) bool {
	return slices.Contains(negations, term) || strings.ContainsAny(term, "0123456789")
}

var negations = strings.Fields(`no not never nor none without except unless until cannot cant dont doesnt didnt isnt arent wasnt
	werent wont wouldnt shouldnt couldnt mustnt hasnt havent hadnt
	nicht kein keine keinen nie niemals ohne ne pas jamais sans nunca jamas sin non mai senza nao sem niet geen nooit
	inte ikke aldrig ei nie bez не нет никогда без`)
