package atocore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atocore/atocore"
)

// said is an interaction that no rule finds trivial.
func said(session, turn string) atocore.Spooled {
	return atocore.Spooled{Interaction: atocore.Interaction{
		Client: "agent", Session: session, Turn: turn, Actor: "hook:agent",
		Prompt:   "Which port does the gateway listen on in the staging cluster, turn " + turn + "?",
		Response: "The gateway listens on port 8443 in the staging cluster, as the deployment's values say.",
	}}
}

func spool(t testing.TB, dir string, all ...atocore.Spooled) {
	t.Helper()
	for _, sp := range all {
		if err := atocore.Spool(t.Context(), dir, sp); err != nil {
			t.Fatal(err)
		}
	}
}

func drain(t testing.TB, s *atocore.Store) atocore.DrainReport {
	t.Helper()
	r, err := s.Drain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func interactions(t testing.TB, s *atocore.Store) (all []atocore.Interaction) {
	t.Helper()
	for i, err := range s.Interactions(t.Context(), atocore.InteractionFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, i)
	}
	slices.Reverse(all)
	return all
}

func fileNames(t testing.TB, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// TestSpool keeps what is said before there is a store, privately, and takes it in
// once.
func TestSpool(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there")
	spool(t, dir, said("s", "1"), said("s", "2"), said("s", "1"))
	if runtime.GOOS != "windows" {
		for _, d := range []string{dir, filepath.Join(dir, "spool")} {
			if info, err := os.Stat(d); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("%s is %v, %v, want it private", d, info.Mode(), err)
			}
		}
		for _, n := range fileNames(t, filepath.Join(dir, "spool")) {
			if info, err := os.Stat(filepath.Join(dir, "spool", n)); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s is %v, %v, want it private", n, info.Mode(), err)
			}
		}
	}
	if got := fileNames(t, dir); !slices.Equal(got, []string{"spool"}) {
		t.Errorf("the data directory has %q, want the spool alone", got)
	}
	s := openStoreIn(t, dir, nil)
	if st, err := s.Stats(t.Context()); err != nil || st.Spooled != 3 {
		t.Errorf("the statistics count %d that wait, %v, want 3", st.Spooled, err)
	}
	if got, want := drain(t, s), (atocore.DrainReport{Drained: 2, Known: 1}); got != want {
		t.Errorf("the report is %+v, want %+v", got, want)
	}
	all := interactions(t, s)
	if len(all) != 2 || all[0].Turn != "1" || all[1].Turn != "2" || all[0].Actor != "hook:agent" || all[0].CreatedAt.IsZero() {
		t.Errorf("the interactions are %+v", all)
	}
	if got := fileNames(t, filepath.Join(dir, "spool")); len(got) != 0 {
		t.Errorf("the spool still has %q", got)
	}
	if got := drain(t, s); got != (atocore.DrainReport{}) {
		t.Errorf("an empty spool gives %+v", got)
	}
}

// TestSpoolWithoutTurn gives what has no turn one of its own.
func TestSpoolWithoutTurn(t *testing.T) {
	s := openStore(t, nil)
	spool(t, s.Dir(), said("s", ""), said("s", ""))
	if got := drain(t, s); got.Drained != 2 {
		t.Errorf("the report is %+v, want both taken in", got)
	}
}

// TestSpoolClean lets no secret, nothing private and no pack of atocore's touch the
// disk, also while it waits.
func TestSpoolClean(t *testing.T) {
	dir := t.TempDir()
	// Not the key of anything.
	key := "ghp_" + "q7Zk2Xw9Lr4Vt6Nb8Mc1Pd3Sf5Gh0JyAeUiO"
	sp := said("s", "1")
	sp.Interaction.Prompt += " <private>Halvorsen Shipping</private>"
	sp.Interaction.Response += "\n<atocore-context hash=\"0\">\nstored record\n</atocore-context>\nThe token is " + key
	spool(t, dir, sp)
	for _, n := range fileNames(t, filepath.Join(dir, "spool")) {
		b, err := os.ReadFile(filepath.Join(dir, "spool", n))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{key[4:], "Halvorsen", "stored record"} {
			if strings.Contains(string(b), secret) {
				t.Errorf("%q is in %s", secret, b)
			}
		}
		if !strings.Contains(string(b), "8443") {
			t.Errorf("what was said is not in %s", b)
		}
	}
}

// TestSpoolForeign makes nothing where no data directory is.
func TestSpoolForeign(t *testing.T) {
	store := openStore(t, nil)
	if _, err := store.Remember(t.Context(), atocore.Memory{Type: atocore.Knowledge, Content: "c"}); err != nil {
		t.Fatal(err)
	}
	snapshot, err := store.Backup(nil).Create(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, prepare := range map[string]func(dir string){
		"somebody's files":     func(dir string) { write(t, filepath.Join(dir, "thesis.odt"), "x") },
		"another's database":   func(dir string) { write(t, filepath.Join(dir, "atocore.db"), strings.Repeat("not a database ", 20)) },
		"a directory as store": func(dir string) { write(t, filepath.Join(dir, "atocore.db", "x"), "") },
		"a snapshot": func(dir string) {
			if err := os.CopyFS(dir, os.DirFS(snapshot.Path)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir := t.TempDir()
		prepare(dir)
		before := fileNames(t, dir)
		if err := atocore.Spool(t.Context(), dir, said("s", "1")); !errors.Is(err, atocore.ErrForeign) {
			t.Errorf("%s: %v, want ErrForeign", name, err)
		}
		if after := fileNames(t, dir); !slices.Equal(before, after) {
			t.Errorf("%s: there was %q, there is %q", name, before, after)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	if err := atocore.Spool(t.Context(), file, said("s", "1")); err == nil {
		t.Error("a file was taken for a data directory")
	}
	for name, prepare := range map[string]func(dir string){
		"an empty directory": func(string) {},
		"mount points": func(dir string) {
			write(t, filepath.Join(dir, "files", "x"), "")
			write(t, filepath.Join(dir, ".keep"), "")
		},
		"a store to be": func(dir string) { write(t, filepath.Join(dir, "atocore.db"), "") },
	} {
		dir := t.TempDir()
		prepare(dir)
		if err := atocore.Spool(t.Context(), dir, said("s", "1")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSpoolInvalid refuses what no store takes, with nothing written.
func TestSpoolInvalid(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	for name, i := range map[string]atocore.Interaction{
		"nothing said": {Client: "agent"},
		"a line break": {Prompt: "p", Session: "a\nb"},
		"too long":     {Prompt: strings.Repeat("x", atocore.MaxInteractionBytes+1)},
		"not UTF-8":    {Prompt: "p\xff"},
		"an ID":        {ID: "x", Prompt: "p"},
	} {
		if err := atocore.Spool(t.Context(), dir, atocore.Spooled{Interaction: i}); !errors.Is(err, atocore.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := atocore.Spool(ctx, dir, said("s", "1")); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is done: %v", err)
	}
	if got := fileNames(t, filepath.Dir(dir)); len(got) != 0 {
		t.Errorf("there is %q", got)
	}
}

// TestSpoolFull bounds what waits.
func TestSpoolFull(t *testing.T) {
	dir := t.TempDir()
	spool(t, dir, said("s", "1"))
	one := filepath.Join(dir, "spool", fileNames(t, filepath.Join(dir, "spool"))[0])
	for n := range 9_999 {
		err := os.Link(one, filepath.Join(dir, "spool", fmt.Sprintf("0-%d.json", n)))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := atocore.Spool(t.Context(), dir, said("s", "2")); !errors.Is(err, atocore.ErrFull) {
		t.Errorf("the ten thousand and first: %v, want ErrFull", err)
	}
}

// TestDrainBad moves aside what makes no sense, with the reason, and takes in the
// rest.
func TestDrainBad(t *testing.T) {
	s := openStore(t, nil)
	spool(t, s.Dir(), said("s", "1"))
	dir := filepath.Join(s.Dir(), "spool")
	for name, text := range map[string]string{
		"0-empty.json":   "",
		"0-half.json":    `{"interaction":{"prompt":"Which po`,
		"0-nothing.json": `{"interaction":{}}`,
		"0-array.json":   `[]`,
		"0-time.json":    `{"interaction":{"prompt":"p","created_at":"yesterday"}}`,
		"0-name.json":    `{"interaction":{"prompt":"Is this about anything?","response":"It is not, as far as anybody can tell.","project":"a\nb"}}`,
		"note.txt":       "not the spool's",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	if err := os.Mkdir(filepath.Join(dir, "directory.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	abandoned := filepath.Join(dir, ".new-123")
	write(t, abandoned, "half")
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(abandoned, old, old); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, ".new-456"), "being written")
	if got, want := drain(t, s), (atocore.DrainReport{Drained: 1, Bad: 6}); got != want {
		t.Errorf("the report is %+v, want %+v", got, want)
	}
	bad := fileNames(t, filepath.Join(dir, "bad"))
	if len(bad) != 12 {
		t.Errorf("aside there are %q, want six files and their reasons", bad)
	}
	if reason, err := os.ReadFile(filepath.Join(dir, "bad", "0-nothing.reason")); err != nil || !strings.Contains(string(reason), "empty") {
		t.Errorf("a reason is %q, %v", reason, err)
	}
	if got, want := fileNames(t, dir), []string{".new-456", "bad", "directory.json", "note.txt"}; !slices.Equal(got, want) {
		t.Errorf("the spool has %q, want %q", got, want)
	}
}

// TestDrainProjects finds, or makes, the project of what was said.
func TestDrainProjects(t *testing.T) {
	s := openStore(t, nil)
	if _, err := s.AddProject(t.Context(), atocore.Project{Name: "known", Aliases: []string{"alias"}}); err != nil {
		t.Fatal(err)
	}
	repo := &atocore.Workspace{Dir: "/src/tool", Root: "/src/tool", CommonDir: "/src/tool/.git", Remote: "github.com/acme/tool"}
	for n, tt := range []struct {
		project   string
		workspace *atocore.Workspace
	}{{"alias", repo}, {"new", nil}, {"", repo}, {"", &atocore.Workspace{Dir: "/tmp"}}, {"", nil}} {
		sp := said("s", fmt.Sprint(n))
		sp.Interaction.Project, sp.Workspace = tt.project, tt.workspace
		spool(t, s.Dir(), sp)
	}
	if got := drain(t, s); got.Drained != 5 {
		t.Fatalf("the report is %+v", got)
	}
	got := map[string]string{}
	for _, i := range interactions(t, s) {
		got[i.Turn] = i.Project
	}
	for n, want := range []string{"known", "new", "tool", "", ""} {
		if p := got[fmt.Sprint(n)]; p != want {
			t.Errorf("turn %d is of project %q, want %q", n, p, want)
		}
	}
}

// TestDrainAtOnce has several stores of one directory drain at the same time, while
// more is spooled.
func TestDrainAtOnce(t *testing.T) {
	const turns, drainers = 40, 3
	dir := t.TempDir()
	spool(t, dir, said("s", "first"))
	var wg sync.WaitGroup
	errs := make(chan error, drainers+1)
	taken := make(chan int, 10_000)
	for range drainers {
		s := openUnchecked(t, dir, nil)
		wg.Go(func() {
			for range 20 {
				r, err := s.Drain(context.Background())
				if err != nil {
					errs <- err
					return
				}
				taken <- r.Drained
			}
		})
	}
	wg.Go(func() {
		for n := range turns {
			if err := atocore.Spool(context.Background(), dir, said("s", fmt.Sprint(n))); err != nil {
				errs <- err
				return
			}
		}
	})
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	s := openStoreIn(t, dir, nil)
	taken <- drain(t, s).Drained
	close(taken)
	sum := 0
	for n := range taken {
		sum += n
	}
	if all := interactions(t, s); len(all) != turns+1 || sum != turns+1 {
		t.Errorf("there are %d interactions, and %d were taken in, want %d", len(all), sum, turns+1)
	}
	if left := fileNames(t, filepath.Join(dir, "spool")); len(left) != 0 {
		t.Errorf("the spool has %q", left)
	}
}

// TestDrainBusy leaves what it cannot take in for another time.
func TestDrainBusy(t *testing.T) {
	s := openStore(t, nil)
	spool(t, s.Dir(), said("s", "1"), said("s", "2"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := s.Drain(ctx); !errors.Is(err, context.Canceled) || r.Left != 2 {
		t.Errorf("a context that is done: %+v, %v", r, err)
	}
	if got := fileNames(t, filepath.Join(s.Dir(), "spool")); len(got) != 2 {
		t.Errorf("the spool has %q, want both", got)
	}
	if r := drain(t, s); r.Drained != 2 {
		t.Errorf("the next time: %+v", r)
	}
}

// drainEnv makes the test binary a process that drains a data directory over and
// over until it is killed.
const drainEnv = "ATOCORE_TEST_DRAIN"

func init() {
	dir := os.Getenv(drainEnv)
	if dir == "" {
		return
	}
	s, err := atocore.Open(context.Background(), dir, &atocore.Options{CompileCache: cacheDir})
	for err == nil {
		_, err = s.Drain(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestDrainKilled kills processes while they drain: each turn is taken in once.
func TestDrainKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("processes are killed on Unix")
	}
	dir := t.TempDir()
	s := openStoreIn(t, dir, nil)
	turns, kept := 0, []string{}
	for round := range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), drainEnv+"="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The process is killed at another of its writes each time: after so many
		// turns are there.
		for seen := turns; seen < turns+round+1; seen = len(interactions(t, s)) {
			for n := range 5 {
				sp := said(fmt.Sprint(round, "-", seen, "-", n), fmt.Sprint(time.Now().UnixNano()))
				spool(t, dir, sp)
				kept = append(kept, sp.Interaction.Session+" "+sp.Interaction.Turn)
			}
			if t.Context().Err() != nil {
				t.Fatal("nothing is drained")
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		drain(t, s)
		turns = len(interactions(t, s))
	}
	seen := map[string]bool{}
	for _, i := range interactions(t, s) {
		if key := i.Session + " " + i.Turn; seen[key] {
			t.Errorf("%s was taken in twice", key)
		} else {
			seen[key] = true
		}
	}
	for _, key := range kept {
		if !seen[key] {
			t.Errorf("%s was spooled, and is lost", key)
		}
	}
	if left := fileNames(t, filepath.Join(dir, "spool")); len(left) != 0 {
		t.Errorf("the spool has %q", left)
	}
}

// FuzzDrain takes in whatever lies in the spool: nothing is lost, and nothing stays
// in the way.
func FuzzDrain(f *testing.F) {
	whole, err := json.Marshal(said("s", "1"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"interaction":{"prompt":"Which port is it, and why?","response":"8443, since the proxy has 443."},"workspace":{"dir":"/x","root":"/x","common_dir":"/x/.git","remote":"a.b/c"}}`))
	f.Add([]byte(`{"workspace":{"common_dir":"\u0000"},"interaction":{"prompt":"a question that is long enough","response":"an answer that is long enough"}}`))
	s := openStore(f, nil)
	dir := filepath.Join(s.Dir(), "spool")
	f.Fuzz(func(t *testing.T, src []byte) {
		write(t, filepath.Join(dir, "0.json"), string(src))
		r, err := s.Drain(t.Context())
		if err != nil || r.Drained+r.Known+r.Skipped+r.Bad != 1 {
			t.Fatalf("%q: %+v, %v", src, r, err)
		}
	})
}
