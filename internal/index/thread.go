package index

import (
	"cmp"
	"slices"
)

// thread returns the thread of a unit and the unit's place in it.
func (e *editor) thread(unit int64) (thread, place int64) {
	n, i := at(unit)
	b := e.v.blocks[n]
	return b.thread[i], b.place[i]
}

// find is where a unit stands in its thread, or would stand.
func (e *editor) find(thread, place, unit int64) (int, bool) {
	return slices.BinarySearchFunc(e.ix.threads[thread], unit, func(other, _ int64) int {
		_, p := e.thread(other)
		return cmp.Or(cmp.Compare(p, place), cmp.Compare(other, unit))
	})
}

// link puts a unit into its thread.
func (e *editor) link(unit int64) {
	thread, place := e.thread(unit)
	if thread == 0 {
		return
	}
	units := e.ix.threads[thread]
	k, _ := e.find(thread, place, unit)
	units = slices.Insert(units, k, unit)
	e.ix.threads[thread] = units
	e.join(units, k-1)
	e.join(units, k)
}

// unlink takes a unit out of its thread.
func (e *editor) unlink(unit int64) {
	thread, place := e.thread(unit)
	if thread == 0 {
		return
	}
	k, found := e.find(thread, place, unit)
	if !found {
		return
	}
	units := slices.Delete(e.ix.threads[thread], k, k+1)
	if len(units) == 0 {
		delete(e.ix.threads, thread)
	} else {
		e.ix.threads[thread] = units
		e.join(units, k-1)
	}
	n, i := at(unit)
	b := e.block(n)
	b.before[i], b.after[i] = 0, 0
}

// join notes that units k and k+1 of a thread are neighbours, or that there is
// only one of the two.
func (e *editor) join(units []int64, k int) {
	if k >= 0 {
		n, i := at(units[k])
		b := e.block(n)
		b.after[i] = 0
		if k+1 < len(units) {
			b.after[i] = int32(units[k+1] - units[k])
		}
	}
	if k+1 < len(units) {
		n, i := at(units[k+1])
		b := e.block(n)
		b.before[i] = 0
		if k >= 0 {
			b.before[i] = int32(units[k+1] - units[k])
		}
	}
}

// linkAll links all threads of a view that was loaded.
func (e *editor) linkAll() {
	threads := e.ix.threads
	for n, b := range e.v.blocks {
		if b == nil {
			continue
		}
		each(&b.live, func(i int) {
			if t := b.thread[i]; t != 0 {
				threads[t] = append(threads[t], int64(n)*blockUnits+int64(i))
			}
		})
	}
	for _, units := range threads {
		inOrder := func(a, b int64) int {
			_, p := e.thread(a)
			_, q := e.thread(b)
			return cmp.Or(cmp.Compare(p, q), cmp.Compare(a, b))
		}
		if !slices.IsSortedFunc(units, inOrder) {
			slices.SortFunc(units, inOrder)
		}
		for k := range units {
			e.join(units, k)
		}
	}
}
