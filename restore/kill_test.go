//go:build unix

package restore_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/restore"
)

var (
	kills = flag.Int("restore.kills", 20, "how many processes TestKill kills")
	seed  = flag.Uint64("restore.seed", 1, "of the moments at which TestKill kills")
)

// A process that restores is killed at any moment, again and again. The next open
// finds one of the two stores.
func TestKill(t *testing.T) {
	rng := rand.New(rand.NewPCG(*seed, 0))
	data := filepath.Join(t.TempDir(), "data")
	c := config(data)
	var states [2]state
	for i := range states {
		if err := os.MkdirAll(data, 0o700); err != nil {
			t.Fatal(err)
		}
		var names []string // of some size, so that more of them die while they write
		for k := range 16 {
			names = append(names, fmt.Sprintf("%d %d %s", i, k, strings.Repeat("x", 20_000)))
		}
		addTo(t, data, names...)
		states[i] = stateOf(t, data)
		if _, err := backup.Create(t.Context(), c.Config, backup.CreateOptions{Label: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]int{}
	for i := range *kills {
		began := time.Now()
		cmd := start(t, "restore", data) // it has restored once when it is ready
		// Any moment of the next restores will do.
		time.Sleep(time.Duration(rng.Float64() * 2 * float64(time.Since(began))))
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("kill %d: the process ended by itself: %v", i, err)
		}
		if restore.Pending(data) {
			found["pending"]++
		}
		if err := restore.Recover(t.Context(), c); err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		got := stateOf(t, data)
		switch {
		case cmp.Equal(got, states[0]):
			found["first"]++
		case cmp.Equal(got, states[1]):
			found["second"]++
		default:
			t.Fatalf("kill %d: neither store:\n%s\n%s", i, cmp.Diff(states[0], got), cmp.Diff(states[1], got))
		}
	}
	t.Logf("%d kills: %v", *kills, found)
}
