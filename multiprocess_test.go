package atocore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atocore/atocore"
)

// The environment by which the test binary is told to be a process of
// TestProcesses: what to do, and where.
const (
	roleEnv = "ATOCORE_TEST_ROLE"
	dirEnv  = "ATOCORE_TEST_DIR"
)

const (
	perProcess = 90 // memories that each process says
	inCommon   = 30 // of them are the same for all
)

// TestProcessOfProcesses is one of the processes that TestProcesses starts.
func TestProcessOfProcesses(t *testing.T) {
	role := os.Getenv(roleEnv)
	if role == "" {
		t.Skip("is run by TestProcesses")
	}
	ctx := t.Context()
	s, err := atocore.Open(ctx, os.Getenv(dirEnv), &atocore.Options{CompileCache: cacheDir, Actor: role})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if name, ok := strings.CutPrefix(role, "writer"); ok {
		writeSome(ctx, t, s, name)
		return
	}
	if role == "searcher" {
		searchOn(ctx, t, s)
		return
	}
	// Readers go on until the writers are done, which a memory says.
	for {
		done := false
		seen := map[string]bool{}
		for m, err := range s.Memories(ctx, atocore.MemoryFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if seen[m.Content] {
				t.Fatalf("%q is there twice", m.Content)
			}
			seen[m.Content] = true
			done = done || m.Content == "all is said"
		}
		r, err := s.Retriever(nil).Search(ctx, atocore.Query{Text: "what did the ferry carry on trip 7"})
		if err != nil {
			t.Fatal(err)
		}
		if done {
			if len(r.Hits) == 0 {
				t.Error("search finds nothing at last")
			}
			return
		}
	}
}

func writeSome(ctx context.Context, t *testing.T, s *atocore.Store, name string) {
	for i := 0; i < perProcess; {
		var err error
		say := func(i int) atocore.Memory {
			if i%(perProcess/inCommon) == 0 {
				return statement(fmt.Sprintf("The ferry carried everyone on trip %d", i))
			}
			return statement(fmt.Sprintf("The ferry carried %s on trip %d", name, i))
		}
		if i%10 == 0 {
			_, err = s.RememberAll(ctx, []atocore.Memory{say(i), say(i + 1), say(i + 2)})
			i += 3
		} else {
			_, err = s.Remember(ctx, say(i))
			i++
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// starter returns what starts a process in a role, which returns what waits for it.
func starter(t *testing.T, dir string) func(role string) func() {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return func(role string) func() {
		var out bytes.Buffer
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestProcessOfProcesses$", "-test.count=1")
		cmd.Env = append(os.Environ(), roleEnv+"="+role, dirEnv+"="+dir)
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return sync.OnceFunc(func() {
			if err := cmd.Wait(); err != nil {
				t.Errorf("%s: %v\n%s", role, err, out.String())
			}
		})
	}
}

// searchOn searches until it finds that all is said. What it has found once it has
// to find again, while segments are sealed, merged and packed by others.
func searchOn(ctx context.Context, t *testing.T, s *atocore.Store) {
	r := s.Retriever(nil)
	found := map[string]int{}
	for done := false; !done; {
		done = countHits(ctx, t, r, "all is said") == 1
		for i := range segmentsWritten {
			word := fmt.Sprint("batch", i)
			n := countHits(ctx, t, r, word)
			if n < found[word] || n != 0 && n != sealing {
				t.Fatalf("search finds %d of %s, after it has found %d", n, word, found[word])
			}
			found[word] = n
			if n == 0 {
				break
			}
			// Said again word for word it is its own nearest neighbour.
			again := fmt.Sprint(word, " with number 7")
			res, err := r.Search(ctx, atocore.Query{Text: again, Mode: atocore.VectorOnly, Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Hits) != 1 || res.Hits[0].Text != again {
				t.Fatalf("nearest to %q: %+v", again, res.Hits)
			}
		}
	}
	if len(found) != segmentsWritten {
		t.Errorf("found %v at last", found)
	}
}

func countHits(ctx context.Context, t *testing.T, r *atocore.Retriever, question string) int {
	res, err := r.Search(ctx, atocore.Query{Text: question, Mode: atocore.TextOnly, Limit: atocore.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, h := range res.Hits {
		if strings.HasPrefix(h.Text, question) {
			n++
		}
	}
	return n
}

// segmentsWritten are so many that there is something to merge, and vectors to code.
const segmentsWritten = 8

// Processes that search follow what another writes, which seals, packs and merges.
func TestProcessesSearchBesideAWriter(t *testing.T) {
	if os.Getenv(roleEnv) != "" {
		t.Skip("is one of the processes")
	}
	dir := t.TempDir()
	s := openStoreIn(t, dir, nil)
	start := starter(t, dir)
	wait := []func(){start("searcher"), start("searcher")}
	fillSegments(t, s, segmentsWritten)
	s.Settled()
	if n := atocore.Rows(t.Context(), s, "segments"); n >= segmentsWritten || !atocore.HasCodes(t.Context(), s) {
		t.Errorf("%d segments, codes: %v", n, atocore.HasCodes(t.Context(), s))
	}
	remember(t, s, statement("all is said"))
	for _, w := range wait {
		w()
	}
	wantFilled(t, s, segmentsWritten)
}

// Processes that write and read one store at once lose nothing, and say nothing
// twice.
func TestProcesses(t *testing.T) {
	if os.Getenv(roleEnv) != "" {
		t.Skip("is one of the processes")
	}
	dir := t.TempDir() // none has opened it before
	start := starter(t, dir)
	const writers, readers = 4, 2
	var waitWriters, waitReaders []func()
	for i := range writers {
		waitWriters = append(waitWriters, start("writer"+strconv.Itoa(i)))
	}
	for i := range readers {
		waitReaders = append(waitReaders, start("reader"+strconv.Itoa(i)))
	}
	for _, wait := range waitWriters {
		wait()
	}
	s := openStoreIn(t, dir, nil)
	remember(t, s, statement("all is said"))
	for _, wait := range waitReaders {
		wait()
	}

	got := map[string]atocore.Memory{}
	for _, m := range collect(t, s.Memories(t.Context(), atocore.MemoryFilter{Statuses: []atocore.Status{atocore.Candidate, atocore.Active, atocore.Superseded, atocore.Invalid}})) {
		if _, ok := got[m.Content]; ok {
			t.Errorf("%q is there twice", m.Content)
		}
		got[m.Content] = m
	}
	if want := inCommon + writers*(perProcess-inCommon) + 1; len(got) != want {
		t.Errorf("got %d memories, want %d", len(got), want)
	}
	reinforced := 0
	for _, m := range got {
		reinforced += m.Reinforced
	}
	if want := inCommon * (writers - 1); reinforced != want {
		t.Errorf("said again %d times, want %d", reinforced, want)
	}
	entries := collect(t, s.Journal(t.Context(), 0))
	if want := writers*perProcess + 1; len(entries) != want {
		t.Errorf("got %d journal entries, want %d", len(entries), want)
	}
	wantVectors(t, s, len(got), 0)

	again := openStore(t, nil)
	if err := again.Replay(t.Context(), s.Journal(t.Context(), 0)); err != nil {
		t.Fatal(err)
	}
	if digest(t, again) != digest(t, s) {
		t.Error("a replay of what the processes wrote gives another digest")
	}
}

// Goroutines of one process share commits; the outcome is each caller's own.
func TestGoroutines(t *testing.T) {
	s := openStore(t, nil)
	ctx := t.Context()
	addProject(t, s, "harbour")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 40 {
				switch {
				case i%5 == 3: // refused within a transaction that others share
					if _, err := s.Remember(ctx, atocore.Memory{Type: atocore.Knowledge, Content: "lost", Project: "nowhere"}); !errors.Is(err, atocore.ErrNotFound) {
						t.Errorf("got %v, want ErrNotFound", err)
					}
				case i%5 == 4:
					if _, err := s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: "k", Value: fmt.Sprint(g, i)}); err != nil {
						t.Error(err)
					}
				default:
					if _, err := s.Remember(ctx, statement(fmt.Sprintf("said by %d: %d", g*(i%2), i))); err != nil {
						t.Error(err)
					}
				}
				if _, err := s.Retriever(nil).Search(ctx, atocore.Query{Text: "said by whom", Limit: 3}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := collect(t, s.Memories(ctx, atocore.MemoryFilter{}))
	seen := map[string]bool{}
	for _, m := range got {
		if seen[m.Content] {
			t.Errorf("%q is there twice", m.Content)
		}
		seen[m.Content] = true
	}
	want := 12 + 12*8 // even numbers are the same for all, odd ones are each one's own
	if len(got) != want {
		t.Errorf("got %d memories, want %d", len(got), want)
	}
	if n := len(collect(t, s.Journal(ctx, 0))); n != 1+8*24+8*8 {
		t.Errorf("got %d journal entries", n)
	}
}
