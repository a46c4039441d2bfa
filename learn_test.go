package atocore_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// turn is an interaction whose prompt says something, and whose answer is long enough
// for it to be kept.
func turn(n int, prompt string) atocore.Interaction {
	return atocore.Interaction{
		Session: "s1", Client: "chat", Turn: fmt.Sprint(n), Prompt: prompt,
		Response: "I have looked at the files and made the change that was asked for in all of them.",
	}
}

func learn(t testing.TB, s *atocore.Store, i atocore.Interaction) atocore.Learnt {
	t.Helper()
	return must(s.Learn(t.Context(), i))(t)
}

func contentsOf(list []atocore.Memory) []string {
	out := []string{}
	for _, m := range list {
		out = append(out, m.Content)
	}
	return out
}

func wantContents(t testing.TB, what string, got []atocore.Memory, want ...string) {
	t.Helper()
	if d := cmp.Diff(append([]string{}, want...), contentsOf(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestLearn(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now, Actor: "tests"})
	ctx := t.Context()
	addProject(t, s, "harbour", "hbr")
	in := turn(1, "We decided to use Postgres with the key "+fakeKey+". I prefer short answers. My name is Ada Okafor.\n\nNo, use the mirror, it has what we need. Remember: the office is closed on Mondays.")
	in.Project = "HBR"
	in.Response = "Noted.\n\n## Decisions\n\n- Backups are kept for ninety days.\n"
	seq := lastSeq(t, s)
	got := learn(t, s, in)
	i := got.Interaction
	if i.Prompt != strings.Replace(in.Prompt, fakeKey, "[redacted:github-token]", 1) || i.Project != "harbour" || got.Known || got.Skipped != "" {
		t.Errorf("captured %+v", got)
	}
	type row struct {
		Type          atocore.MemoryType
		Project, Rule string
		Speaker       string
		Content       string
		Confidence    float64
	}
	var rows []row
	ops := []string{"capture " + i.ID}
	for _, m := range got.Candidates {
		rows = append(rows, row{m.Type, m.Project, m.Metadata["rule"], m.Provenance.Speaker, m.Content, m.Confidence})
		ops = append(ops, "propose "+m.ID)
		if m.Status != atocore.Candidate || len(m.Metadata["proposal"]) != 32 || m.Provenance.Source != "interaction:"+i.ID ||
			m.Provenance.Client != "chat" || m.Provenance.Session != "s1" || m.Provenance.Actor != "tests" || !m.CreatedAt.Equal(clk.now()) {
			t.Errorf("candidate %+v", m)
		}
		if d := cmp.Diff(m, must(s.Memory(ctx, m.ID))(t)); d != "" {
			t.Errorf("as stored (-want +got):\n%s", d)
		}
	}
	want := []row{
		{atocore.ProjectMemory, "harbour", "fact", "user", "The office is closed on Mondays.", 0.8},
		{atocore.ProjectMemory, "harbour", "decision", "user", "We decided to use Postgres with the key [redacted:github-token].", 0.75},
		{atocore.Preference, "harbour", "preference", "user", "I prefer short answers.", 0.75},
		{atocore.Identity, "", "identity", "user", "My name is Ada Okafor.", 0.75},
		{atocore.ProjectMemory, "harbour", "decision", "assistant", "Backups are kept for ninety days.", 0.7},
		{atocore.Adaptation, "harbour", "correction", "user", "Use the mirror, it has what we need.", 0.5},
	}
	if d := cmp.Diff(want, rows); d != "" {
		t.Errorf("candidates (-want +got):\n%s", d)
	}
	wantOps(t, s, seq, ops...)

	// None of it is retrieved before somebody has said yes.
	if hits := search(t, s, atocore.Query{Text: "Postgres office Mondays", Kinds: []atocore.Kind{atocore.KindMemory}}).Hits; len(hits) != 0 {
		t.Errorf("candidates are found: %v", hits)
	}
	// The same turn, whatever it says now, is known and nothing else.
	again := in
	again.Prompt += " We decided to wait."
	known := learn(t, s, again)
	if !known.Known || known.Interaction.ID != i.ID || len(known.Candidates)+len(known.Reinforced) != 0 {
		t.Errorf("the same turn: got %+v", known)
	}
	wantOps(t, s, seq, ops...)

	// Without a project, a decision is knowledge.
	got = learn(t, s, turn(2, "We decided to meet in May."))
	if len(got.Candidates) != 1 || got.Candidates[0].Type != atocore.Knowledge {
		t.Errorf("without a project: %+v", got.Candidates)
	}
}

func TestLearnSkips(t *testing.T) {
	s := openStore(t, nil)
	for _, tt := range []struct {
		in   atocore.Interaction
		want string
	}{
		{atocore.Interaction{}, "empty"},
		{atocore.Interaction{Prompt: "<private>We decided to wait.</private>"}, "empty"},
		{atocore.Interaction{Prompt: "thanks", Response: "You are welcome."}, "trivial"},
	} {
		got := learn(t, s, tt.in)
		if d := cmp.Diff(atocore.Learnt{Skipped: tt.want, Candidates: []atocore.Memory{}, Reinforced: []atocore.Memory{}}, got); d != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.in, d)
		}
	}
	if n := lastSeq(t, s); n != 0 {
		t.Errorf("%d journal entries", n)
	}
	for _, in := range []atocore.Interaction{
		{Prompt: "a\x00b"}, {Prompt: "a", Session: "two\nlines"}, {Prompt: strings.Repeat("a", atocore.MaxInteractionBytes+1)}, {Prompt: "a", ID: "x"}, {Prompt: "\xff"},
	} {
		wantUnchanged(t, s, atocore.ErrInvalid, func() error { _, err := s.Learn(t.Context(), in); return err })
	}
	in := turn(1, "We decided to wait for May.")
	in.Project = "nowhere"
	wantUnchanged(t, s, atocore.ErrNotFound, func() error { _, err := s.Learn(t.Context(), in); return err })
}

// What was proposed does not come back, whatever became of it.
func TestProposalsDoNotComeBack(t *testing.T) {
	const statement = "We decided to paint the lighthouse white."
	second := func(t *testing.T, s *atocore.Store, m atocore.Memory, want ...string) {
		t.Helper()
		for n, text := range []string{statement, "So we decided to paint the lighthouse white!", "Well, WE DECIDED to paint the lighthouse white."} {
			got := learn(t, s, turn(10+n, text))
			wantContents(t, "proposed again", got.Candidates)
			wantContents(t, "reinforced", got.Reinforced, want...)
		}
	}
	for name, fate := range map[string]func(*testing.T, *atocore.Store, atocore.Memory) []string{
		"waiting": func(*testing.T, *atocore.Store, atocore.Memory) []string { return []string{statement} },
		"accepted": func(t *testing.T, s *atocore.Store, m atocore.Memory) []string {
			must(s.Accept(t.Context(), m.ID, nil))(t)
			return []string{statement}
		},
		"promoted": func(t *testing.T, s *atocore.Store, m atocore.Memory) []string {
			must(s.Promote(t.Context(), m.ID))(t)
			return []string{statement}
		},
		"edited": func(t *testing.T, s *atocore.Store, m atocore.Memory) []string {
			must(s.Accept(t.Context(), m.ID, &atocore.Edit{Content: "The lighthouse will be white."}))(t)
			return []string{"The lighthouse will be white."}
		},
		"rejected": func(t *testing.T, s *atocore.Store, m atocore.Memory) []string {
			must(s.Reject(t.Context(), m.ID, ""))(t)
			return nil
		},
		"invalidated": func(t *testing.T, s *atocore.Store, m atocore.Memory) []string {
			must(s.Accept(t.Context(), m.ID, nil))(t)
			must(s.Invalidate(t.Context(), m.ID, "it is red"))(t)
			return nil
		},
		"superseded": func(t *testing.T, s *atocore.Store, m atocore.Memory) []string {
			must(s.Accept(t.Context(), m.ID, nil))(t)
			must(s.Supersede(t.Context(), m.ID, atocore.Memory{Content: "The lighthouse stays red."}))(t)
			return nil
		},
		"forgotten": func(t *testing.T, s *atocore.Store, m atocore.Memory) []string {
			must(s.Forget(t.Context(), "", m.ID))(t)
			return nil
		},
		"rejected and forgotten": func(t *testing.T, s *atocore.Store, m atocore.Memory) []string {
			must(s.Reject(t.Context(), m.ID, "no"))(t)
			must(s.Forget(t.Context(), "", m.ID))(t)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, nil)
			got := learn(t, s, turn(1, statement))
			wantContents(t, "proposed", got.Candidates, statement)
			want := fate(t, s, got.Candidates[0])
			second(t, s, got.Candidates[0], want...)

			// Another statement is proposed all the same, and the same one elsewhere.
			wantContents(t, "another", learn(t, s, turn(20, "We decided to paint the crane yellow.")).Candidates, "We decided to paint the crane yellow.")
			addProject(t, s, "harbour")
			elsewhere := turn(21, statement)
			elsewhere.Project = "harbour"
			if got := learn(t, s, elsewhere); len(got.Candidates)+len(got.Reinforced) != 1 {
				t.Errorf("in a project: %+v", got)
			}

			// A store that is made from the journal knows what was proposed.
			copied := openStore(t, nil)
			if err := copied.Replay(t.Context(), s.Journal(t.Context(), 0)); err != nil {
				t.Fatal(err)
			}
			if digest(t, copied) != digest(t, s) {
				t.Error("the journal gives another digest")
			}
			wantContents(t, "in the copy", learn(t, copied, turn(30, statement)).Candidates)
		})
	}
}

// What was rejected stays away in other words that say no more, and what says
// something else does not.
func TestLearnReworded(t *testing.T) {
	s := openStore(t, nil)
	for n, tt := range []struct {
		rejected    string
		away, comes []string
	}{
		{
			"We decided to deploy the billing service on Tuesdays.",
			[]string{"As I said, we decided that we deploy the billing service on Tuesdays.", "Decision: deploy the billing service on Tuesdays.", "We agreed to deploy our billing service on Tuesdays."},
			[]string{"We decided to deploy the billing service on Thursdays.", "We decided not to deploy the billing service on Tuesdays."},
		},
		{"I prefer tabs over spaces in Go code.", []string{"I prefer tabs to spaces in Go code."}, []string{"I prefer spaces over tabs in Go code."}},
		{"Remember that the gateway listens on port 8443.", []string{"Remember: our gateway listens on port 8443."}, []string{"Remember that the gateway listens on port 9443."}},
	} {
		first := learn(t, s, turn(100*n, tt.rejected)).Candidates
		if len(first) != 1 {
			t.Fatalf("%s: %v", tt.rejected, first)
		}
		must(s.Reject(t.Context(), first[0].ID, ""))(t)
		for i, text := range tt.away {
			if got := learn(t, s, turn(100*n+i+1, text)).Candidates; len(got) != 0 {
				t.Errorf("%q was rejected, and comes back as %q", tt.rejected, got[0].Content)
			}
		}
		for i, text := range tt.comes {
			if got := learn(t, s, turn(100*n+i+50, text)).Candidates; len(got) != 1 {
				t.Errorf("%q was rejected, and keeps away %q", tt.rejected, text)
			}
		}
	}
}

// What says nearly the same as a rejected proposal stays away; as a live memory, it
// reinforces that.
func TestNearlyTheSame(t *testing.T) {
	s := openStore(t, nil)
	ctx := t.Context()
	rejected := learn(t, s, turn(1, "We decided to move all of the nightly backup jobs to the northern cluster.")).Candidates[0]
	must(s.Reject(ctx, rejected.ID, ""))(t)
	got := learn(t, s, turn(2, "We have decided to move all of the nightly backup jobs to the northern cluster."))
	wantContents(t, "near a rejected one", got.Candidates)
	got = learn(t, s, turn(3, "We decided not to move all of the nightly backup jobs to the northern cluster."))
	wantContents(t, "its contrary", got.Candidates, "We decided not to move all of the nightly backup jobs to the northern cluster.")

	ferry := remember(t, s, statement("The small ferry leaves from the northern quay on Thursdays."))
	got = learn(t, s, turn(4, "By the way, the small ferry leaves from the northern quay on Thursdays."))
	wantContents(t, "said again", got.Reinforced, ferry.Content)
	if m := must(s.Memory(ctx, ferry.ID))(t); m.Reinforced != 1 || m.ReinforcedAt.IsZero() || m.Status != atocore.Active {
		t.Errorf("reinforced: %+v", m)
	}
	got = learn(t, s, turn(5, "Is it so? Does the small ferry leave from the northern quay on Thursdays?"))
	wantContents(t, "asked", got.Reinforced)
	got = learn(t, s, turn(6, "The small ferry never leaves from the northern quay on Thursdays."))
	wantContents(t, "denied", got.Reinforced)
	got = learn(t, s, turn(7, "The ferry leaves on Thursdays. The small ferry leaves from the northern quay on Thursdays. The small ferry leaves from the northern quay on Thursdays."))
	wantContents(t, "said twice", got.Reinforced, ferry.Content)

	// A proposal that says what is known is none, whatever its type.
	pref := remember(t, s, atocore.Memory{Type: atocore.Adaptation, Content: "I prefer answers in short sentences."})
	got = learn(t, s, turn(8, "I prefer answers in short sentences."))
	wantContents(t, "known", got.Candidates)
	wantContents(t, "known, said again", got.Reinforced, pref.Content)

	// A pack that comes back says nothing.
	pack := must(s.Retriever(nil).Context(ctx, atocore.ContextRequest{Prompt: "When does the small ferry leave from the northern quay?"}))(t)
	if !strings.Contains(pack.Text, ferry.Content) {
		t.Fatalf("the pack is %s", pack.Text)
	}
	for n, text := range []string{pack.Marked(), pack.Text} {
		in := turn(9+n, "When does it leave?")
		in.Response = text + "\nIt leaves on Thursdays, as far as I can tell from what you have told me before."
		got = learn(t, s, in)
		wantContents(t, "an echo", got.Reinforced)
		if strings.Contains(got.Interaction.Response, "northern") {
			t.Errorf("the echo is stored: %q", got.Interaction.Response)
		}
	}
	// Nor what another project holds.
	addProject(t, s, "harbour")
	remember(t, s, atocore.Memory{Type: atocore.ProjectMemory, Project: "harbour", Content: "The crane is painted in bright yellow."})
	got = learn(t, s, turn(20, "The crane is painted in bright yellow."))
	wantContents(t, "of a project", got.Reinforced)
}

// Two programs that learn of the same turn at once capture it once.
func TestConcurrentLearn(t *testing.T) {
	dir := t.TempDir()
	a, b := openStoreIn(t, dir, nil), openStoreIn(t, dir, nil)
	const turns = 5
	var results [2][turns]atocore.Learnt
	var wg sync.WaitGroup
	for n, s := range []*atocore.Store{a, b} {
		wg.Go(func() {
			for k := range turns {
				got, err := s.Learn(t.Context(), turn(k, fmt.Sprintf("We decided to order %d new boats.", k+2)))
				if err != nil {
					t.Error(err)
				}
				results[n][k] = got
			}
		})
	}
	wg.Wait()
	for k := range turns {
		x, y := results[0][k], results[1][k]
		if x.Interaction.ID != y.Interaction.ID || x.Known == y.Known || len(x.Candidates)+len(y.Candidates) != 1 {
			t.Errorf("turn %d: got %+v and %+v", k, x, y)
		}
	}
	if all := collect(t, a.Interactions(t.Context(), atocore.InteractionFilter{})); len(all) != turns {
		t.Errorf("%d interactions, want %d", len(all), turns)
	}
	if all := collect(t, a.Memories(t.Context(), atocore.MemoryFilter{Statuses: []atocore.Status{atocore.Candidate}})); len(all) != turns {
		t.Errorf("%d candidates, want %d", len(all), turns)
	}
}

// The look-up of what was proposed does not grow with the store.
func TestProposalsAreLookedUpByIndex(t *testing.T) {
	dir := t.TempDir()
	s := openStoreIn(t, dir, nil)
	learn(t, s, turn(1, "We decided to wait for May."))
	db := must(sqlite.Open(t.Context(), sqlite.Config{Path: dir + "/atocore.db", LockPath: dir + "/atocore.lock", ApplicationID: schema.ApplicationID, Migrations: schema.Migrations(), CacheDir: cacheDir}))(t)
	defer db.Close()
	err := db.Read(t.Context(), func(tx *sqlite.Tx) error {
		for query, index := range map[string]string{
			`SELECT id FROM memories WHERE metadata ->> '$.proposal' = ? AND metadata ->> '$.proposal' IS NOT NULL ORDER BY status IN ('candidate', 'active') DESC, id DESC LIMIT 1`: "memories_proposal",
			`SELECT 1 FROM journal WHERE entity = 'tombstone' AND after ->> '$.proposal' = ? AND after ->> '$.proposal' IS NOT NULL LIMIT 1`:                                         "journal_proposal",
		} {
			var plan []string
			for r, err := range tx.Query(`EXPLAIN QUERY PLAN `+query, "x") {
				if err != nil {
					return err
				}
				plan = append(plan, r.Text(3))
			}
			if !slices.ContainsFunc(plan, func(s string) bool { return strings.Contains(s, "SEARCH") && strings.Contains(s, index) }) {
				t.Errorf("%s: %q", query, plan)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAccept(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	ctx := t.Context()
	addProject(t, s, "harbour", "hbr")
	propose := func(n int, text string) atocore.Memory {
		t.Helper()
		got := learn(t, s, turn(n, text))
		if len(got.Candidates) != 1 {
			t.Fatalf("%q: got %+v", text, got)
		}
		return got.Candidates[0]
	}
	m := propose(1, "We decided to buy a second tug.")
	seq := lastSeq(t, s)
	clk.advance(time.Hour)
	want := m
	want.Status, want.UpdatedAt = atocore.Active, clk.now()
	if d := cmp.Diff(want, must(s.Accept(ctx, m.ID, nil))(t)); d != "" {
		t.Errorf("Accept (-want +got):\n%s", d)
	}
	wantOps(t, s, seq, "accept "+m.ID)
	if hits := hitIDs(t, s, atocore.Query{Text: "second tug", Kinds: []atocore.Kind{atocore.KindMemory}}); !slices.Equal(hits, []string{m.ID}) {
		t.Errorf("found %v", hits)
	}

	// With changes.
	m = propose(2, "We decided to paint the tug green.")
	project, none := "HBR", ""
	want = m
	want.Status, want.Type, want.Content, want.Project, want.UpdatedAt = atocore.Active, atocore.ProjectMemory, "The new tug is green.", "harbour", clk.now()
	got := must(s.Accept(ctx, m.ID, &atocore.Edit{Type: atocore.ProjectMemory, Content: "The new tug is green.", Project: &project}))(t)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Accept with changes (-want +got):\n%s", d)
	}
	if hits := hitIDs(t, s, atocore.Query{Text: "new tug is green", Project: "harbour", Kinds: []atocore.Kind{atocore.KindMemory}}); len(hits) == 0 || hits[0] != m.ID {
		t.Errorf("found %v", hits)
	}

	// Into what is known already.
	known := remember(t, s, statement("The depot closes at six."))
	candidate := remember(t, s, atocore.Memory{Type: atocore.ProjectMemory, Status: atocore.Candidate, Project: "harbour", Content: "The depot closes at 6."})
	seq = lastSeq(t, s)
	got = must(s.Accept(ctx, candidate.ID, &atocore.Edit{Type: atocore.Knowledge, Content: "The  depot closes at six.", Project: &none}))(t)
	if got.ID != known.ID || got.Reinforced != 1 || got.Supersedes != candidate.ID || got.Content != known.Content {
		t.Errorf("accepted into what is known: %+v", got)
	}
	old := must(s.Memory(ctx, candidate.ID))(t)
	if old.Status != atocore.Superseded || old.SupersededBy != known.ID || old.Content != candidate.Content || old.Project != "harbour" {
		t.Errorf("the candidate: %+v", old)
	}
	wantOps(t, s, seq, "accept "+candidate.ID, "reinforce "+known.ID)

	// Into another candidate, which is active then.
	a, b := propose(3, "We decided to sell the old tug."), propose(4, "We decided to rent a new crane.")
	got = must(s.Accept(ctx, a.ID, &atocore.Edit{Content: b.Content}))(t)
	if got.ID != b.ID || got.Status != atocore.Active {
		t.Errorf("accepted into a candidate: %+v", got)
	}

	m = propose(5, "We decided to close the bridge.")
	nowhere := "nowhere"
	for _, tt := range []struct {
		id   string
		edit *atocore.Edit
		want error
	}{
		{"nothing", nil, atocore.ErrNotFound},
		{m.ID, &atocore.Edit{Project: &nowhere}, atocore.ErrNotFound},
		{m.ID, &atocore.Edit{Type: "note"}, atocore.ErrInvalid},
		{m.ID, &atocore.Edit{Content: " "}, atocore.ErrInvalid},
		{m.ID, &atocore.Edit{Content: strings.Repeat("a", atocore.MaxMemoryBytes+1)}, atocore.ErrInvalid},
		{known.ID, nil, atocore.ErrConflict},
		{candidate.ID, nil, atocore.ErrConflict},
	} {
		wantUnchanged(t, s, tt.want, func() error { _, err := s.Accept(ctx, tt.id, tt.edit); return err })
	}
	wantReplayed(t, s)
}

func TestReject(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	ctx := t.Context()
	m := learn(t, s, turn(1, "We decided to buy a second tug.")).Candidates[0]
	seq := lastSeq(t, s)
	clk.advance(time.Hour)
	want := m
	want.Status, want.Reason, want.UpdatedAt = atocore.Invalid, "rejected in review", clk.now()
	if d := cmp.Diff(want, must(s.Reject(ctx, m.ID, ""))(t)); d != "" {
		t.Errorf("Reject (-want +got):\n%s", d)
	}
	wantOps(t, s, seq, "reject "+m.ID)
	own := remember(t, s, atocore.Memory{Type: atocore.Knowledge, Status: atocore.Candidate, Content: "We decided to sell the barge."})
	if got := must(s.Reject(ctx, own.ID, "a joke"))(t); got.Reason != "a joke" {
		t.Errorf("got reason %q", got.Reason)
	}
	wantContents(t, "what somebody else had proposed", learn(t, s, turn(2, "We decided to sell the barge.")).Candidates)
	active := remember(t, s, statement("The depot closes at six."))
	for id, want := range map[string]error{m.ID: atocore.ErrConflict, active.ID: atocore.ErrConflict, "nothing": atocore.ErrNotFound} {
		wantUnchanged(t, s, want, func() error { _, err := s.Reject(ctx, id, ""); return err })
	}
	wantUnchanged(t, s, atocore.ErrInvalid, func() error { _, err := s.Reject(ctx, m.ID, strings.Repeat("a", 5000)); return err })
	wantReplayed(t, s)
}

// wantReplayed holds the store to be what its journal says.
func wantReplayed(t *testing.T, s *atocore.Store) {
	t.Helper()
	copied := openStore(t, nil)
	if err := copied.Replay(context.Background(), s.Journal(t.Context(), 0)); err != nil {
		t.Fatal(err)
	}
	if digest(t, copied) != digest(t, s) {
		t.Error("the journal gives another digest than the store's")
	}
}
