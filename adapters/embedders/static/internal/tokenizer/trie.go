package tokenizer

import (
	"maps"
	"slices"
)

// A trie finds the keys that a text begins with. The children of a node stand
// side by side, in the order of their bytes.
type trie struct {
	root   [256]int32 // a child of the root by its byte, or 0
	label  []byte
	first  []int32 // the first child; those of the next node begin where these end
	values []int32 // or -1
}

// newTrie makes a trie of keys with values, none of them empty or negative.
func newTrie(keys map[string]int32) *trie {
	sorted := slices.Sorted(maps.Keys(keys))
	t := &trie{}
	type work struct{ lo, hi, depth int }
	t.push(0, -1)
	queue := []work{{0, len(sorted), 0}}
	for n := 0; n < len(queue); n++ {
		w := queue[n]
		t.first[n] = int32(len(t.label))
		lo := w.lo
		if lo < w.hi && len(sorted[lo]) == w.depth {
			t.values[n] = keys[sorted[lo]]
			lo++
		}
		for lo < w.hi {
			b := sorted[lo][w.depth]
			hi := lo + 1
			for hi < w.hi && sorted[hi][w.depth] == b {
				hi++
			}
			if n == 0 {
				t.root[b] = int32(len(t.label))
			}
			t.push(b, -1)
			queue = append(queue, work{lo, hi, w.depth + 1})
			lo = hi
		}
	}
	t.first = append(t.first, int32(len(t.label)))
	return t
}

func (t *trie) push(label byte, value int32) {
	t.label = append(t.label, label)
	t.first = append(t.first, 0)
	t.values = append(t.values, value)
}

// child is the node below node that b leads to, or 0, which no child is.
func (t *trie) child(node int32, b byte) int32 {
	if node == 0 {
		return t.root[b]
	}
	lo, hi := t.first[node], t.first[node+1]
	for hi-lo > 8 {
		mid := (lo + hi) / 2
		if t.label[mid] <= b {
			lo = mid
		} else {
			hi = mid
		}
	}
	for ; lo < hi; lo++ {
		if t.label[lo] == b {
			return lo
		}
	}
	return 0
}

// longest is the longest key that text begins with, and its length, or 0.
func (t *trie) longest(text []byte) (value int32, length int) {
	node := int32(0)
	for i, b := range text {
		if node = t.child(node, b); node == 0 {
			break
		}
		if v := t.values[node]; v >= 0 {
			value, length = v, i+1
		}
	}
	return value, length
}
