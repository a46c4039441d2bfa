package backup_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/sqlite"
)

// asChild names the role in which a copy of the test program runs.
const asChild = "BACKUP_TEST_CHILD"

// children are the roles. The first argument is the directory of newStore.
var children map[string]func(args []string) error

func init() {
	children = map[string]func([]string) error{
		"create": childCreate,
		"write":  childWrite,
		"stall":  childStall,
	}
}

type process struct {
	*exec.Cmd
	out    *bufio.Reader
	errors bytes.Buffer
}

func startChild(t testing.TB, role string, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(exe, args...)}
	p.Env = append(os.Environ(), asChild+"="+role)
	p.Stderr = &p.errors
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

// line waits for a line of the process.
func (p *process) line(t testing.TB) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, p.errors.String())
	}
	return line
}

// finish waits for the process.
func (p *process) finish(t testing.TB) {
	t.Helper()
	_, err := io.Copy(io.Discard, p.out)
	if err = errors.Join(err, p.Wait()); err != nil {
		t.Errorf("%v: %s", err, p.errors.String())
	}
}

func childCreate(args []string) error {
	c := config(args[0])
	c.Now = func() time.Time { return noon }
	_, err := backup.Create(context.Background(), c, backup.CreateOptions{NoCheck: true})
	return err
}

// childWrite writes, and says so after each commit, until killed.
func childWrite(args []string) error {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, sqliteConfig(config(args[0])))
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		if err := db.Write(ctx, func(tx *sqlite.Tx) error { return rememberTx(tx, fmt.Sprintf("w%06d-", i), 3) }); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// childStall takes a snapshot, says so at each progress it hears of, and stays at
// the n-th for ever. It says "done" if there are less.
func childStall(args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	_, err = backup.Create(context.Background(), config(args[0]), backup.CreateOptions{NoVectors: n%2 == 0, Progress: func(p backup.Progress) {
		n--
		if n == 0 {
			fmt.Println(p.Step)
			select {}
		}
	}})
	fmt.Println("done")
	return err
}

// A process is killed in the middle of a snapshot, at every step of it. Nothing
// that is listed is half a snapshot, and the next one cleans up.
func TestKilledHalfWay(t *testing.T) {
	c, _ := newStore(t, 2000)
	left, steps := 0, []string{}
	for n := 1; ; n++ {
		p := startChild(t, "stall", filepath.Dir(c.Data), fmt.Sprint(n))
		step := p.line(t)
		p.kill()
		if step == "done\n" {
			break
		}
		steps = append(steps, step)
		left += len(hidden(t, c))
		for _, s := range list(t, c) {
			r := validate(t, c, s.Stamp, backup.ValidateOptions{Trust: true})
			wantCodes(t, r)
		}
		// The store is as it was, for the next one.
		s := create(t, c, backup.CreateOptions{NoCheck: true})
		if got := hidden(t, c); got != nil {
			t.Errorf("killed at %d, %s: left after the next: %q", n, step, got)
		}
		if err := os.RemoveAll(s.Path); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []string{"copy\n", "files\n", "hash\n", "check\n"} {
		if !slices.Contains(steps, step) {
			t.Errorf("not killed at %q: %q", step, steps)
		}
	}
	if left == 0 {
		t.Error("nothing was ever left behind: the test shows nothing")
	}
	t.Logf("killed at %q, %d leftovers", steps, left)
}
