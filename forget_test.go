package atocore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// rawFiles reads every file of a data directory but the lock file, names
// included.
func rawFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		out[name] = append(data, name...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// piece is the length of what must not be left of a secret.
const piece = 6

// traces lists what is left of each secret in the files: its pieces, in any
// case. An index stores of a term what differs from its neighbour, so that
// whole words would be looked for in vain.
func traces(files map[string][]byte, secrets []string) map[string][]string {
	pieces := map[[piece]byte]string{}
	var first [1 << 16]bool // the first two bytes of a piece: few places have to be looked up
	for _, secret := range secrets {
		for i := 0; i+piece <= len(secret); i++ {
			p := [piece]byte([]byte(strings.ToLower(secret[i : i+piece])))
			pieces[p] = secret
			first[binary.BigEndian.Uint16(p[:])] = true
		}
	}
	found := map[string][]string{}
	for name, data := range files {
		data = bytes.ToLower(data)
		for i := 0; i+piece <= len(data); i++ {
			if !first[binary.BigEndian.Uint16(data[i:])] {
				continue
			}
			if secret, ok := pieces[[piece]byte(data[i:])]; ok {
				found[secret] = append(found[secret], fmt.Sprintf("%s in %s at %d", data[i:i+piece], filepath.Base(name), i))
			}
		}
	}
	return found
}

// secretWord makes words of which no piece is in another text, an ID or a hash:
// those have no i, o and u.
type secretWord struct{ rng *rand.Rand }

func (w secretWord) next() string {
	b := make([]byte, 16)
	for i := range b {
		from := "qxzjvkw"
		if i%3 == 2 {
			from = "iou"
		}
		b[i] = from[w.rng.IntN(len(from))]
	}
	return string(b)
}

// A forgotten record leaves no piece of itself in any file: where its terms are in
// rows of their own, and where they are in segments and its vector has a code.
func TestForgetLeavesNothingInTheFiles(t *testing.T) {
	for _, tt := range []struct {
		seed uint64
		more int // memories in each crowd
	}{{1, 0}, {2, 0}, {3, 600}} {
		t.Run(fmt.Sprint(tt.seed), func(t *testing.T) { testForgetFiles(t, tt.seed, tt.more) })
	}
}

func testForgetFiles(t *testing.T, seed uint64, more int) {
	ctx := t.Context()
	dir := t.TempDir()
	embedder := &markedEmbedder{}
	s := openStoreIn(t, dir, &atocore.Options{Embedder: embedder, Durability: atocore.Normal})
	addProject(t, s, "harbour")
	rng := rand.New(rand.NewPCG(seed, 11))
	source := secretWord{rng}
	words := newWordSource(seed)

	// secret is another word for each place.
	secret := func() string {
		w := source.next()
		embedder.secrets = append(embedder.secrets, w)
		return w
	}
	// Records before, between and after, so that pages fill up and split.
	var others []atocore.Memory
	crowd := func(n int) {
		t.Helper()
		var batch []atocore.Memory
		for range n + more {
			m := statement(words.sentence(5 + rng.IntN(60)))
			m.Tags = []string{"common"}
			batch = append(batch, m)
		}
		others = append(others, must(s.RememberAll(ctx, batch))(t)...)
	}
	crowd(150)
	m := remember(t, s, atocore.Memory{
		Type: atocore.Preference, Content: words.sentence(20) + " " + secret() + " " + words.sentence(20), Project: "harbour",
		Tags: []string{secret(), "common"}, Metadata: map[string]string{secret(): secret()},
		Provenance: atocore.Provenance{Client: secret(), Session: secret(), Speaker: secret(), Source: secret()},
	})
	crowd(50)
	must(s.Revise(ctx, m.ID, words.sentence(600)+" "+secret()+"ing "+secret()+"edly"))(t)
	must(s.Reinforce(ctx, m.ID))(t)
	crowd(50)
	// Shares a beginning with a word that stays, which stands beside it in the
	// index.
	shared := source.next()
	embedder.secrets = append(embedder.secrets, shared[8:])
	remains := remember(t, s, statement(shared[:8]+"aaaa stays"))
	next := must(s.Supersede(ctx, m.ID, atocore.Memory{Content: shared + " " + secret() + "_" + secret() + "." + secret()}))(t)
	withdrawn := remember(t, s, statement(secret()))
	must(s.Invalidate(ctx, withdrawn.ID, secret()))(t)
	set := must(s.SetState(ctx, atocore.StateEntry{Project: "harbour", Category: secret(), Key: secret(), Value: secret(), Source: secret()}))(t)
	unset := must(s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: secret(), Value: secret()}))(t)
	must(s.UnsetState(ctx, "harbour", "", unset.Key))(t)
	crowd(50)
	chat := must(s.Capture(ctx, atocore.Interaction{
		Prompt: secret() + " " + words.sentence(900), Response: secret(), Session: secret(), Client: secret(), Turn: secret(), Metadata: map[string]string{"k": secret()},
	}))(t)
	long := must(s.AddDocument(ctx, atocore.Document{
		Path: secret() + "/" + secret() + ".md", Origin: secret(), Title: secret(), Summary: secret(), Speaker: secret(), Session: secret(), Tags: []string{secret()},
		Metadata: map[string]string{"k": secret()},
	}, "# "+secret()+"\n\n"+words.sentence(800)+"\n\n## "+secret()+"\n\n"+words.sentence(700)+" "+secret()+"\n"))(t)
	folder := fstest.MapFS{
		"kept.md":   {Data: []byte("# Kept\n\n" + secret() + " and " + secret() + "\n")},
		"beside.md": {Data: []byte("# Beside\n\nstays as it is\n")},
		"twin.md":   {Data: []byte("# Beside\n\nstays as it is\n")},
	}
	ingest := func() {
		t.Helper()
		must(s.Ingest(ctx, folder, &atocore.IngestOptions{Origin: "folder", KeepOriginals: true, Prune: true}))(t)
	}
	ingest()
	// A former version, and a document that is gone from its folder.
	folder["kept.md"] = &fstest.MapFile{Data: []byte("# Kept\n\nanother " + secret() + "\n")}
	folder["gone.md"] = &fstest.MapFile{Data: []byte("# Gone\n\n" + secret() + "\n")}
	ingest()
	documents := map[string]atocore.Document{}
	for _, d := range collect(t, s.Documents(ctx, atocore.DocumentFilter{})) {
		documents[d.Path] = d
	}
	delete(folder, "gone.md")
	ingest()
	crowd(100)
	if n := must(s.EmbedPending(ctx))(t); n != 0 {
		t.Errorf("%d texts were not embedded when they were written", n)
	}

	secrets := embedder.secrets
	s.Settled()
	if packed := more > 0; packed {
		if rows := atocore.Rows(ctx, s, "unit_terms"); rows > 0 || !atocore.HasCodes(ctx, s) {
			t.Fatalf("%d units are in no segment, and there are codes: %v", rows, atocore.HasCodes(ctx, s))
		}
	}

	// All of it is there to be found; else this test would find it gone
	// whatever Forget does.
	before := rawFiles(t, dir)
	found := traces(before, secrets)
	for _, w := range secrets {
		if len(found[w]) == 0 {
			t.Fatalf("%s is not in the files before it is forgotten", w)
		}
	}
	vector := embedder.marks()
	if !vectorsIn(before, vector) {
		t.Fatal("the vectors are not in the files before they are forgotten")
	}
	old := digest(t, s)

	ids := []string{m.ID, next.ID, withdrawn.ID, set.ID, unset.ID, chat.ID, long.ID, documents["kept.md"].ID, documents["gone.md"].ID, documents["twin.md"].ID}
	for i, f := range must(s.Forget(ctx, "on request", ids...))(t) {
		if f.ID != ids[i] || !f.Purged {
			t.Errorf("forgotten: got %+v, want %s, purged", f, ids[i])
		}
	}
	after := rawFiles(t, dir)
	for w, f := range traces(after, secrets) {
		t.Errorf("left behind of %s: %s", w, f)
	}
	if vectorsIn(after, vector) {
		t.Error("left behind: numbers of the vectors")
	}
	if digest(t, s) == old {
		t.Error("the digest is what it was")
	}
	checkStore(t, s) // no code is left without its vector, and no terms without their unit
	// What else there is stays, and is found.
	for _, o := range append(others, remains) {
		if d := cmp.Diff(any(o), must(s.Record(ctx, o.ID))(t)); d != "" {
			t.Fatalf("another record has changed:\n%s", d)
		}
	}
	if got := hitIDs(t, s, atocore.Query{Text: shared[:8] + "aaaa", Mode: atocore.TextOnly}); !slices.Equal(got, []string{remains.ID}) {
		t.Errorf("search for what stays: got %v, want %s", got, remains.ID)
	}
	original := must(s.Original(ctx, documents["beside.md"].ID))(t) // the forgotten twin had the same bytes
	if err := original.Close(); err != nil {
		t.Error(err)
	}
	for _, w := range secrets {
		if got := hitIDs(t, s, atocore.Query{Text: w, Mode: atocore.TextOnly, Statuses: []atocore.Status{atocore.Active, atocore.Superseded, atocore.Invalid}}); len(got) != 0 {
			t.Errorf("search still finds %s: %v", w, got)
		}
	}
	// And it stays away when more is written, and through closing.
	crowd(20)
	if err := s.Repair(ctx); err != nil {
		t.Error(err)
	}
	checkStore(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for w, f := range traces(rawFiles(t, dir), secrets) {
		t.Errorf("left behind of %s at the end: %s", w, f)
	}
}

// Words that stand beside each other in the index, of which some are forgotten:
// the index keeps the beginnings of words to find its pages by, and taking a
// record's words out leaves those.
func TestForgetLeavesNothingInTheIndex(t *testing.T) {
	dir := t.TempDir()
	s := openStoreIn(t, dir, &atocore.Options{NoEmbedder: true, Durability: atocore.Normal})
	rng := rand.New(rand.NewPCG(1, 3))
	word := func(letters string) string {
		b := make([]byte, 16)
		for i := range b {
			if i%3 == 2 {
				b[i] = "iou"[rng.IntN(3)]
			} else {
				b[i] = letters[rng.IntN(len(letters))]
			}
		}
		return string(b)
	}
	var ids, secrets []string
	for range 10 {
		var kept, forgotten []string
		for range 40 {
			w := word("qxzjvkw")
			secrets = append(secrets, w)
			for i := range 10 { // numbers of customers, say
				forgotten = append(forgotten, w+string(rune('a'+i)))
			}
			// Of any first letter, so that they stand among the others.
			for range 8 {
				kept = append(kept, word("qxzjvkw")[:1]+word("bcdfghm"))
			}
		}
		ids = append(ids, remember(t, s, statement(strings.Join(forgotten, " "))).ID)
		remember(t, s, statement(strings.Join(kept, " ")))
	}
	// One after the other, so that the last finds the index as the one before
	// has left it.
	for _, id := range [][]string{ids[:9], ids[9:]} {
		must(s.Forget(t.Context(), "", id...))(t)
	}
	for w, f := range traces(rawFiles(t, dir), secrets) {
		t.Errorf("left behind of %s: %s", w, f)
	}
}

// A markedEmbedder gives texts with a secret vectors of odd numbers, to look
// for in the files.
type markedEmbedder struct{ secrets []string }

func (e *markedEmbedder) Space() atocore.Space {
	return atocore.Space{Name: "marked", Dimensions: 8, Fingerprint: "1"}
}

const mark = 1.2345678e-3

func (e *markedEmbedder) Embed(_ context.Context, texts []string, _ atocore.Purpose) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		v := []float32{1, 0.5, 0.25, 0.125, 1, 1, 1, 1}
		if slices.ContainsFunc(e.secrets, func(w string) bool { return strings.Contains(text, w) }) {
			for j := range v {
				v[j] = mark * float32(j+1)
			}
		}
		out[i] = v
	}
	return out, nil
}

func (e *markedEmbedder) marks() [][]byte {
	var out [][]byte
	for j := range 8 {
		out = append(out, binary.LittleEndian.AppendUint32(nil, math.Float32bits(mark*float32(j+1))))
	}
	return out
}

func vectorsIn(files map[string][]byte, marks [][]byte) bool {
	for _, data := range files {
		for _, m := range marks {
			if bytes.Contains(data, m) {
				return true
			}
		}
	}
	return false
}

func TestForgetLeavesATombstone(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	ctx := t.Context()
	addProject(t, s, "harbour")
	m := remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "one", Project: "harbour"})
	must(s.Revise(ctx, m.ID, "two"))(t)
	d := must(s.AddDocument(ctx, atocore.Document{Path: "a.md"}, "# A\n\ntext\n"))(t)
	clk.advance(24 * time.Hour)

	for _, bad := range []struct {
		want error
		ids  []string
		says string
	}{
		{atocore.ErrNotFound, []string{m.ID, "nobody"}, `"nobody"`},
		{atocore.ErrNotFound, []string{m.ID, d.ID + ".7"[:0] + "x"}, d.ID + "x"},
		{atocore.ErrInvalid, []string{m.ID, d.ID + ".0"}, "document " + d.ID},
		{atocore.ErrInvalid, []string{m.ID, "harbour"}, "project"},
	} {
		err := wantUnchanged(t, s, bad.want, func() error { _, err := s.Forget(ctx, "", bad.ids...); return err })
		if err != nil && !strings.Contains(err.Error(), bad.says) {
			t.Errorf("Forget %v: %v does not say %s", bad.ids, err, bad.says)
		}
	}
	wantUnchanged(t, s, atocore.ErrInvalid, func() error { _, err := s.Forget(ctx, strings.Repeat("x", 5000), m.ID); return err })
	if got, err := s.Forget(ctx, ""); err != nil || len(got) != 0 {
		t.Errorf("Forget of nothing: got %v, %v", got, err)
	}

	got := must(s.Forget(ctx, "on request", m.ID, m.ID, d.ID))(t)
	want := []atocore.Forgotten{{ID: m.ID, Entity: "memory", Purged: true}, {ID: d.ID, Entity: "document", Purged: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Forget (-want +got):\n%s", diff)
	}
	h := must(s.History(ctx, m.ID))(t)
	var ops []string
	for _, e := range h {
		ops = append(ops, e.Op)
		if e.Entity != "tombstone" && (e.Before != nil || e.After != nil) {
			t.Errorf("the history keeps %s %s", e.Before, e.After)
		}
	}
	if diff := cmp.Diff([]string{"remember", "revise", "forget"}, ops); diff != "" {
		t.Errorf("History (-want +got):\n%s", diff)
	}
	tombstone := string(h[len(h)-1].After)
	if want := fmt.Sprintf(`{"id":"%s","entity":"memory","reason":"on request","forgotten_at":"2026-03-02T12:00:00Z"}`, m.ID); tombstone != want {
		t.Errorf("tombstone: got %s, want %s", tombstone, want)
	}
	for name, read := range map[string]func() error{
		"Memory":    func() error { _, err := s.Memory(ctx, m.ID); return err },
		"Record":    func() error { _, err := s.Record(ctx, m.ID); return err },
		"Document":  func() error { _, err := s.Document(ctx, d.ID); return err },
		"Chunks":    func() error { _, err := s.Chunks(ctx, d.ID); return err },
		"Revise":    func() error { _, err := s.Revise(ctx, m.ID, "x"); return err },
		"Reinforce": func() error { _, err := s.Reinforce(ctx, m.ID); return err },
		"Forget":    func() error { _, err := s.Forget(ctx, "", m.ID); return err },
	} {
		err := read()
		var nf *atocore.NotFoundError
		if !errors.As(err, &nf) || !strings.Contains(nf.Hint, "forgotten on 2026-03-02") {
			t.Errorf("%s of what is forgotten: got %v, want when it was", name, err)
		}
	}
	// The same words may be said again, as a new memory.
	if again := remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "two", Project: "harbour"}); again.ID == m.ID {
		t.Error("the forgotten memory is back")
	}
}

// An ID means the record even where a project has it for a name.
func TestForgetBesideAProjectOfThatName(t *testing.T) {
	s := openStore(t, nil)
	m := remember(t, s, statement("x"))
	addProject(t, s, m.ID)
	must(s.Forget(t.Context(), "", m.ID))(t)
	for _, e := range collect(t, s.Journal(t.Context(), 0)) {
		if e.Entity == "project" && e.After == nil {
			t.Error("the project's entry has lost its content")
		}
	}
	wantUnchanged(t, s, atocore.ErrNotFound, func() error { _, err := s.Forget(t.Context(), "", m.ID); return err })
}

// A reader that still sees the old pages keeps them in the log, and Forget says
// so; nothing is in the way afterwards.
func TestForgetBesideAReader(t *testing.T) {
	dir := t.TempDir()
	s := openStoreIn(t, dir, nil)
	word := secretWord{rand.New(rand.NewPCG(5, 5))}.next()
	m := remember(t, s, statement(word))
	remember(t, s, statement("other"))
	for range s.Memories(t.Context(), atocore.MemoryFilter{}) { // holds its view
		got := must(s.Forget(t.Context(), "", m.ID))(t)
		if len(got) != 1 || got[0].Purged {
			t.Errorf("with a reader in the way: got %+v, want one that is not purged", got)
		}
		break
	}
	if len(traces(rawFiles(t, dir), []string{word})) == 0 {
		t.Error("Purged is false, and there is nothing left")
	}
	remember(t, s, statement("another")) // the reader is gone
	for w, f := range traces(rawFiles(t, dir), []string{word}) {
		t.Errorf("left behind of %s after the next write: %s", w, f)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for w, f := range traces(rawFiles(t, dir), []string{word}) {
		t.Errorf("left behind of %s at the end: %s", w, f)
	}
}
