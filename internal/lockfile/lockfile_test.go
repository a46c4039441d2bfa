package lockfile_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore/internal/lockfile"
)

// asChild names what a copy of the test program is to do instead of testing.
const asChild = "LOCKFILE_TEST_CHILD"

func TestMain(m *testing.M) {
	if what := os.Getenv(asChild); what != "" {
		if err := child(what, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(what string, args []string) error {
	f, err := lockfile.Open(args[0])
	if err != nil {
		return err
	}
	ctx := context.Background()
	switch what {
	case "hold":
		if err := f.Lock(ctx, lockfile.RangeWrite, lockfile.Exclusive); err != nil {
			return err
		}
		fmt.Println("held")
		time.Sleep(time.Hour) // to be killed
	case "count":
		// Read a number, write it back plus one: any overlap loses a count.
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		for range n {
			if err := f.Lock(ctx, lockfile.RangeWrite, lockfile.Exclusive); err != nil {
				return err
			}
			b, err := os.ReadFile(args[1])
			if err != nil {
				return err
			}
			v, err := strconv.Atoi(string(b))
			if err != nil {
				return err
			}
			if err := os.WriteFile(args[1], []byte(strconv.Itoa(v+1)), 0o666); err != nil {
				return err
			}
			if err := f.Unlock(lockfile.RangeWrite); err != nil {
				return err
			}
		}
	case "greedy":
		// Lock and unlock without a pause until killed; a byte in a file for each turn.
		turns, err := os.OpenFile(args[1], os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
		if err != nil {
			return err
		}
		for i := 0; ; i++ {
			if err := f.Lock(ctx, lockfile.RangeWrite, lockfile.Exclusive); err != nil {
				return err
			}
			if i == 0 {
				fmt.Println("held")
			}
			if _, err := turns.Write([]byte{1}); err != nil {
				return err
			}
			for end := time.Now().Add(200 * time.Microsecond); time.Now().Before(end); {
			}
			if err := f.Unlock(lockfile.RangeWrite); err != nil {
				return err
			}
		}
	}
	return nil
}

func start(t *testing.T, what string, args ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), asChild+"="+what)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, bufio.NewReader(out)
}

func openFile(t *testing.T, path string) *lockfile.File {
	t.Helper()
	f, err := lockfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, b := openFile(t, path), openFile(t, path)
	const o = lockfile.RangeOpen
	for _, tt := range []struct {
		a, b lockfile.Mode
		want bool
	}{
		{lockfile.Shared, lockfile.Shared, true},
		{lockfile.Shared, lockfile.Exclusive, false},
		{lockfile.Exclusive, lockfile.Shared, false},
		{lockfile.Exclusive, lockfile.Exclusive, false},
	} {
		if ok, err := a.TryLock(o, tt.a); !ok || err != nil {
			t.Fatal(ok, err)
		}
		got, err := b.TryLock(o, tt.b)
		if got != tt.want || err != nil {
			t.Errorf("mode %d beside %d: %t, %v; want %t", tt.b, tt.a, got, err, tt.want)
		}
		if b.Held(o) != got {
			t.Errorf("Held is %t after %t", !got, got)
		}
		// The other range has nothing to do with it.
		if ok, err := b.TryLock(lockfile.RangeWrite, lockfile.Exclusive); !ok || err != nil {
			t.Errorf("other range: %t, %v", ok, err)
		}
		for _, f := range []*lockfile.File{a, b} {
			for _, r := range []lockfile.Range{o, lockfile.RangeWrite} {
				if err := f.Unlock(r); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestLockWaitsForContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, b := openFile(t, path), openFile(t, path)
	if err := a.Lock(context.Background(), lockfile.RangeWrite, lockfile.Exclusive); err != nil {
		t.Fatal(err)
	}
	for _, m := range []lockfile.Mode{lockfile.Exclusive, lockfile.Shared} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		err := b.Lock(ctx, lockfile.RangeWrite, m)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("mode %d: %v", m, err)
		}
	}
	// Giving up left nothing behind.
	if err := a.Unlock(lockfile.RangeWrite); err != nil {
		t.Fatal(err)
	}
	if err := a.Lock(context.Background(), lockfile.RangeWrite, lockfile.Exclusive); err != nil {
		t.Fatal(err)
	}
	// Closing lets go, and a waiter gets it.
	got := make(chan error, 1)
	go func() { got <- b.Lock(context.Background(), lockfile.RangeWrite, lockfile.Exclusive) }()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
	if err := a.Lock(context.Background(), lockfile.RangeWrite, lockfile.Exclusive); !errors.Is(err, lockfile.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file is to stay: %v", err)
	}
}

func TestOpenExisting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if _, err := lockfile.OpenExisting(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	openFile(t, path)
	f, err := lockfile.OpenExisting(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func TestKilledProcessLetsGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	cmd, out := start(t, "hold", path)
	if line, err := out.ReadString('\n'); err != nil || line != "held\n" {
		t.Fatal(line, err)
	}
	f := openFile(t, path)
	if ok, err := f.TryLock(lockfile.RangeWrite, lockfile.Exclusive); ok || err != nil {
		t.Fatalf("lock of a living process: %t, %v", ok, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := f.Lock(ctx, lockfile.RangeWrite, lockfile.Exclusive); err != nil {
		t.Error(err)
	}
}

func TestEightProcessesExcludeEachOther(t *testing.T) {
	dir := t.TempDir()
	path, number := filepath.Join(dir, "lock"), filepath.Join(dir, "number")
	if err := os.WriteFile(number, []byte("0"), 0o666); err != nil {
		t.Fatal(err)
	}
	const processes, each = 8, 100
	var cmds []*exec.Cmd
	for range processes {
		cmd, _ := start(t, "count", path, number, strconv.Itoa(each))
		cmds = append(cmds, cmd)
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	b, err := os.ReadFile(number)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(string(b)), strconv.Itoa(processes*each); got != want {
		t.Errorf("counted to %s, want %s", got, want)
	}
}

// A process that releases the lock only to take it again must not keep others
// from it.
func TestGreedyProcessLetsOthersIn(t *testing.T) {
	dir := t.TempDir()
	path, turns := filepath.Join(dir, "lock"), filepath.Join(dir, "turns")
	_, out := start(t, "greedy", path, turns)
	if line, err := out.ReadString('\n'); err != nil || line != "held\n" {
		t.Fatal(line, err)
	}
	f := openFile(t, path)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	const mine = 200
	before := size(t, turns)
	for range mine {
		if err := f.Lock(ctx, lockfile.RangeWrite, lockfile.Exclusive); err != nil {
			t.Fatal(err)
		}
		if err := f.Unlock(lockfile.RangeWrite); err != nil {
			t.Fatal(err)
		}
	}
	if others := size(t, turns) - before; others > 4*mine {
		t.Errorf("the other process had %d turns while this one waited for %d", others, mine)
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Size()
}
