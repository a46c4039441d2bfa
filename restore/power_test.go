//go:build unix

package restore_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atocore/atocore/restore"
)

// A disk is a data directory of which it is known what would survive a loss of
// power: of a file what it held at its last Sync, of a directory the names that it
// had at its last SyncDir. Everything is done for real, too; what is kept here is
// the shadow that tells what is durable.
type disk struct {
	restore.Ops
	t     testing.TB
	path  string // the data directory
	grave string // a second name for every file, so that one that is removed can come back
	files int
	root  *node
}

// node is a file or a directory.
type node struct {
	durable []byte           // of a file: its content at the last Sync
	grave   string           // of a file: where its present content is
	names   map[string]*node // of a directory: as it is; nil for a file
	kept    map[string]*node // of a directory: at the last SyncDir
	changes []change         // of a directory, since then
}

// change sets a name, or removes it where to is nil; from goes at the same time.
type change struct {
	name string
	to   *node
	from string
}

func (c change) apply(names map[string]*node) {
	delete(names, c.name)
	if c.to != nil {
		names[c.name] = c.to
	}
	delete(names, c.from)
}

func (n *node) change(c change) {
	c.apply(n.names)
	n.changes = append(n.changes, c)
}

// newDisk takes what is in dir for durable.
func newDisk(t testing.TB, dir string, base restore.Ops) *disk {
	t.Helper()
	d := &disk{Ops: base, t: t, path: dir, grave: filepath.Dir(dir)}
	d.root = d.scan(dir)
	return d
}

func (d *disk) scan(dir string) *node {
	n := &node{names: map[string]*node{}, kept: map[string]*node{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		var child *node
		if e.IsDir() {
			child = d.scan(name)
		} else {
			child = d.file(name)
			child.durable = []byte(readFile(d.t, name))
		}
		n.names[e.Name()], n.kept[e.Name()] = child, child
	}
	return n
}

// file is a new file, of which nothing is durable.
func (d *disk) file(name string) *node {
	d.files++
	n := &node{grave: filepath.Join(d.grave, fmt.Sprint("file-", d.files))}
	if err := os.Link(name, n.grave); err != nil {
		d.t.Fatal(err)
	}
	return n
}

// find gives the directory that a name is in, the last part of it, and the node,
// nil if there is none. What is outside of the data directory has no directory.
func (d *disk) find(name string) (dir *node, base string, n *node) {
	rel, err := filepath.Rel(d.path, name)
	if err != nil || strings.HasPrefix(rel, "..") {
		return nil, "", nil
	}
	if rel == "." {
		return nil, "", d.root
	}
	n = d.root
	for part := range strings.SplitSeq(rel, string(filepath.Separator)) {
		if n == nil {
			return nil, "", nil
		}
		dir, base, n = n, part, n.names[part]
	}
	return dir, base, n
}

func (d *disk) Mkdir(name string) error {
	err := d.Ops.Mkdir(name)
	if dir, base, _ := d.find(name); err == nil {
		dir.change(change{name: base, to: &node{names: map[string]*node{}, kept: map[string]*node{}}})
	}
	return err
}

func (d *disk) OpenFile(name string, flag int) (restore.File, error) {
	f, err := d.Ops.OpenFile(name, flag)
	if err != nil {
		return nil, err
	}
	dir, base, n := d.find(name)
	if dir != nil && n == nil {
		n = d.file(name)
		dir.change(change{name: base, to: n})
	}
	return diskFile{f, d, n}, nil
}

func (d *disk) Link(from, name string) error {
	err := d.Ops.Link(from, name)
	if dir, base, _ := d.find(name); err == nil {
		dir.change(change{name: base, to: d.file(name)})
	}
	return err
}

func (d *disk) Rename(from, to string) error {
	err := d.Ops.Rename(from, to)
	if err == nil {
		dir, oldName, n := d.find(from)
		_, newName, _ := d.find(to)
		dir.change(change{name: newName, to: n, from: oldName})
	}
	return err
}

func (d *disk) Remove(name string) error {
	err := d.Ops.Remove(name)
	if dir, base, _ := d.find(name); err == nil {
		dir.change(change{name: base})
	}
	return err
}

func (d *disk) SyncDir(name string) error {
	err := d.Ops.SyncDir(name)
	if _, _, n := d.find(name); err == nil && n != nil {
		n.kept = map[string]*node{}
		for k, v := range n.names {
			n.kept[k] = v
		}
		n.changes = nil
	}
	return err
}

type diskFile struct {
	restore.File
	d *disk
	n *node
}

func (f diskFile) Sync() error {
	err := f.File.Sync()
	if err == nil && f.n != nil {
		f.n.durable = []byte(readFile(f.d.t, f.n.grave))
	}
	return err
}

// The ways in which a loss of power deals with what was not synced.
const (
	losesAll = iota
	keepsAll
	losesSome // anything, in any order: each change of a name and each page of a file
)

// powerLoss makes the data directory what a restart would find.
func (d *disk) powerLoss(how int, rng *rand.Rand) {
	d.t.Helper()
	if err := os.RemoveAll(d.path); err != nil {
		d.t.Fatal(err)
	}
	d.restart(d.root, d.path, how, rng)
}

func (d *disk) restart(n *node, name string, how int, rng *rand.Rand) {
	if n.names == nil {
		if err := os.WriteFile(name, n.survives(d.t, how, rng), 0o600); err != nil {
			d.t.Fatal(err)
		}
		return
	}
	names := n.kept
	for _, c := range n.changes {
		if how == keepsAll || how == losesSome && rng.IntN(2) == 0 {
			c.apply(names)
		}
	}
	if err := os.Mkdir(name, 0o700); err != nil {
		d.t.Fatal(err)
	}
	for base, child := range names {
		d.restart(child, filepath.Join(name, base), how, rng)
	}
}

func (n *node) survives(t testing.TB, how int, rng *rand.Rand) []byte {
	now := []byte(readFile(t, n.grave))
	switch how {
	case losesAll:
		return n.durable
	case keepsAll:
		return now
	}
	const page = 4096
	b := make([]byte, len(now))
	copy(b, n.durable)
	if rng.IntN(2) == 0 {
		b = b[:min(len(b), len(n.durable))] // as long as it was, if that was shorter
	}
	for at := 0; at < len(b); at += page {
		if rng.IntN(2) == 0 {
			copy(b[at:min(at+page, len(b))], now[at:])
		}
	}
	return b
}

// The power fails at every operation, and takes with it what was not synced: all,
// nothing, or some. The next open finds the old store or the new one.
func TestPowerLossAtEveryOperation(t *testing.T) {
	shapes(t, func(t *testing.T, base restore.Ops) {
		s := newScene(t)
		for round, how := range []int{losesAll, losesSome} { // one that loses nothing is like the death of the process
			count := map[string]int{}
			for i := 0; ; i++ {
				rng := rand.New(rand.NewPCG(uint64(round), uint64(i)))
				dir := s.copy()
				d := newDisk(t, dir, base)
				c := config(dir)
				c.Ops = &faulty{Ops: d, at: i, dead: true}
				err := restore.Swap(t.Context(), c, s.snapshot, s.manifest)
				d.powerLoss(how, rng)
				which := s.which(dir)
				if err == nil {
					if which != "new" {
						t.Fatalf("the restore had succeeded, but after a loss of power the store is the %s one", which)
					}
					break
				}
				count[which]++
				_ = os.RemoveAll(filepath.Dir(dir))
			}
			t.Logf("round %d: %v", round, count)
			if count["old"] < 10 || count["new"] < 10 {
				t.Errorf("round %d: losses left %d old and %d new stores: they did not occur where they matter", round, count["old"], count["new"])
			}
		}
	})
}

// The process dies, and the power fails while the next one recovers: what the first
// one had not synced is as little durable then as what the second did not.
func TestPowerLossInRecovery(t *testing.T) {
	s := newScene(t)
	count := map[string]int{}
	for i := 0; ; i += stride() {
		var err error
		for k := 0; ; k += 1 + k/3 { // not all pairs: each alone is dealt with above
			rng := rand.New(rand.NewPCG(uint64(i), uint64(k)))
			dir := s.copy()
			d := newDisk(t, dir, restore.System())
			c := config(dir)
			c.Ops = &faulty{Ops: d, at: i, dead: true}
			if err = restore.Swap(t.Context(), c, s.snapshot, s.manifest); err == nil {
				break
			}
			c.Ops = &faulty{Ops: d, at: k, dead: true}
			recovered := restore.Recover(t.Context(), c)
			d.powerLoss(rng.IntN(3), rng)
			count[s.which(dir)]++
			_ = os.RemoveAll(filepath.Dir(dir))
			if recovered == nil && c.Ops.(*faulty).n <= k {
				break
			}
		}
		if err == nil {
			break
		}
	}
	t.Logf("%v", count)
	if count["old"] < 50 || count["new"] < 50 {
		t.Errorf("losses left %d old and %d new stores: they did not occur where they matter", count["old"], count["new"])
	}
}
