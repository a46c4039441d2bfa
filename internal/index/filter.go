package index

import (
	"math/bits"
	"slices"
	"time"
)

// A Filter says which units a search looks among. The zero value admits those
// that are active and hold at Now.
type Filter struct {
	// Project admits the units of a project and those of none. Empty is every
	// project.
	Project string

	Kinds    []string // empty is every kind
	Types    []string // admits memories of these types only
	Statuses []string // empty is active
	Tags     []string // a unit has to have all of them

	After, Before time.Time // bound a unit's own time, the end exclusive
	Now           time.Time // active units have to hold at this time

	// Any admits units whatever their type, status, tags, times, and whether
	// they hold: a search of the past judges by what they were then.
	Any bool
}

// An Admission is the set of units that a filter admits, of one view.
type Admission struct {
	v     *View
	sets  []bitmap // by number of block
	units int
}

// Units is how many are admitted.
func (a *Admission) Units() int { return a.units }

func (a *Admission) has(unit int64) bool {
	n, i := at(unit)
	return unit >= 0 && n < len(a.sets) && a.sets[n].Has(i)
}

// Remove takes a unit out.
func (a *Admission) Remove(unit int64) {
	if n, i := at(unit); a.has(unit) {
		a.sets[n].Clear(i)
		a.units--
	}
}

// Admit finds what a filter admits.
func (v *View) Admit(f *Filter) *Admission {
	a := &Admission{v: v}
	c := f.compile(v)
	if !c.any && c.statuses == 1<<statusActive {
		standing := v.standingAt(c.now)
		a.sets, a.units = slices.Clone(standing.sets), standing.units
		if !c.narrow {
			return a
		}
	} else {
		a.sets = make([]bitmap, len(v.blocks))
		for n, b := range v.blocks {
			if b != nil {
				c.byStatus(b, &a.sets[n])
			}
		}
	}
	for n, b := range v.blocks {
		if b != nil && a.sets[n] != (bitmap{}) {
			c.narrowDown(b, &a.sets[n])
		}
	}
	a.count()
	return a
}

// count counts what is admitted.
func (a *Admission) count() {
	a.units = 0
	for n := range a.sets {
		a.units += a.sets[n].Count()
	}
}

// standing is what a search admits that asks for nothing else: what is active and
// holds, at any time from since until before.
type standing struct {
	Admission
	since, before int64
}

// standingAt finds what is active and holds at a time. Searches ask for the present,
// and what holds changes rarely, so the last answer mostly serves.
func (v *View) standingAt(now int64) *standing {
	if s := v.lately.Load(); s != nil && s.since <= now && now < s.before {
		return s
	}
	s := &standing{Admission: Admission{v: v, sets: make([]bitmap, len(v.blocks))}, since: minTime, before: maxTime}
	for n, b := range v.blocks {
		if b == nil {
			continue
		}
		set := &s.sets[n]
		*set = b.plain
		each(&b.bounded, func(i int) {
			if b.status[i] != statusActive {
				return
			}
			for _, edge := range [2]int64{b.spans[i].from, b.spans[i].until} {
				if edge <= now {
					s.since = max(s.since, edge)
				} else {
					s.before = min(s.before, edge)
				}
			}
			if b.spans[i].from <= now && now < b.spans[i].until {
				set.Set(i)
			}
		})
	}
	s.count()
	v.lately.Store(s)
	return s
}

// A compiled filter speaks in numbers.
type compiled struct {
	v        *View
	any      bool
	project  uint32 // 0 is every project
	noOther  bool   // the project has no units: global ones only
	kinds    uint32
	typed    bool // of these types only
	types    uint32
	statuses uint32
	tags     []string
	tagged   map[uint32]bool // by number of the list: whether it has them all
	from, to int64
	bounded  bool
	now      int64
	narrow   bool // more than the standing filter
}

func (f *Filter) compile(v *View) *compiled {
	c := &compiled{v: v, any: f.Any, kinds: mask(kindNames, f.Kinds), statuses: 1 << statusActive, tags: f.Tags,
		from: minTime, to: maxTime, now: bound(f.Now)}
	if f.Project != "" {
		i := slices.Index(v.names, f.Project)
		c.noOther = i < 0
		c.project = uint32(max(i, 0))
	}
	if len(f.Types) > 0 {
		c.typed, c.types = true, mask(typeNames, f.Types)
	}
	if len(f.Statuses) > 0 {
		c.statuses = mask(statusNames, f.Statuses)
	}
	if len(f.Tags) > 0 {
		c.tagged = map[uint32]bool{}
	}
	if !f.After.IsZero() {
		c.from = bound(f.After)
	}
	if !f.Before.IsZero() {
		c.to = bound(f.Before)
	}
	c.bounded = !f.After.IsZero() || !f.Before.IsZero()
	c.narrow = f.Project != "" || len(f.Kinds)+len(f.Types)+len(f.Statuses)+len(f.Tags) > 0 || c.bounded
	return c
}

// byStatus admits by status. Only active units have to hold now.
func (c *compiled) byStatus(b *block, set *bitmap) {
	*set = b.live
	if c.any {
		return
	}
	keep(set, func(i int) bool {
		if c.statuses>>b.status[i]&1 == 0 {
			return false
		}
		return !b.bounded.Has(i) || b.status[i] != statusActive || b.spans[i].from <= c.now && c.now < b.spans[i].until
	})
}

// narrowDown takes out what the filter asks for beyond status and validity.
func (c *compiled) narrowDown(b *block, set *bitmap) {
	if c.project != 0 || c.noOther {
		for w := range set {
			if set[w] != 0 {
				set[w] &= ofProject((*[64]uint32)(b.project[w<<6:]), c.project)
			}
		}
	}
	if c.kinds != ^uint32(0) {
		for w := range set {
			if set[w] != 0 {
				set[w] &= among((*[64]uint8)(b.kind[w<<6:]), c.kinds)
			}
		}
	}
	if c.typed {
		for w := range set {
			if set[w] == 0 {
				continue
			}
			if c.any {
				set[w] &= among((*[64]uint8)(b.kind[w<<6:]), 1<<kindMemory)
			} else { // only memories have a type
				set[w] &= among((*[64]uint8)(b.typ[w<<6:]), c.types)
			}
		}
	}
	if c.any {
		return
	}
	if c.bounded {
		for w := range set {
			if set[w] != 0 {
				set[w] &= between((*[64]int64)(b.time[w<<6:]), c.from, c.to)
			}
		}
	}
	if len(c.tags) > 0 {
		keep(set, func(i int) bool { return c.hasTags(b.tags[i]) })
	}
}

// ofProject, among and between are the units of a word of the bitmap that are of the
// project or of none, whose number is in the mask, whose time is from from until
// before to. They look at all 64 without a branch: most of them are asked for.
func ofProject(projects *[64]uint32, project uint32) (word uint64) {
	for i, p := range projects {
		word |= (isZero(p) | isZero(p^project)) << i
	}
	return word
}

func among(numbers *[64]uint8, mask uint32) (word uint64) {
	for i, n := range numbers {
		word |= uint64(mask>>(n&31)&1) << i
	}
	return word
}

func between(times *[64]int64, from, to int64) (word uint64) {
	for i, t := range times {
		// The differences do not overflow: times are of four-digit years, and the
		// bounds no further than minTime and maxTime.
		word |= uint64(^(t-from)&(t-to)) >> 63 << i
	}
	return word
}

func isZero(n uint32) uint64 { return (uint64(n) - 1) >> 63 }

// bound is a time in microseconds since 1970. Times are stored with years of four
// digits, so that any other is before or after all.
func bound(t time.Time) int64 {
	switch y := t.UTC().Year(); {
	case y < 0:
		return minTime
	case y > 9999:
		return maxTime
	}
	return t.UnixMicro()
}

func (c *compiled) hasTags(list uint32) bool {
	has, known := c.tagged[list]
	if !known {
		tags := tagList(c.v.names[list])
		has = !slices.ContainsFunc(c.tags, func(t string) bool { return !slices.Contains(tags, t) })
		c.tagged[list] = has
	}
	return has
}

// keep takes out of the set what does not pass.
func keep(set *bitmap, passes func(i int) bool) {
	for w, word := range set {
		out := word
		for rest := word; rest != 0; rest &= rest - 1 {
			if i := w<<6 + bits.TrailingZeros64(rest); !passes(i) {
				out &^= rest & -rest
			}
		}
		set[w] = out
	}
}
