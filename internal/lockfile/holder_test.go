package lockfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore/internal/lockfile"
)

func TestHolders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if got, err := lockfile.Holders(path); len(got) != 0 || err != nil {
		t.Errorf("a file that is not there is held by %v, %v", got, err)
	}
	open := func(h lockfile.Holder) *lockfile.File {
		f, err := lockfile.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := f.Announce(h); err != nil {
			t.Fatal(err)
		}
		return f
	}
	since := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	first := open(lockfile.Holder{PID: 1, Command: "one", Since: since})
	second := open(lockfile.Holder{PID: 2, Command: strings.Repeat("long ", 100), Since: since})
	third := open(lockfile.Self())
	pids := func() string {
		all, err := lockfile.Holders(path)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, h := range all {
			out = append(out, fmt.Sprint(h.PID))
		}
		return strings.Join(out, " ")
	}
	if got, want := pids(), fmt.Sprint("1 2 ", os.Getpid()); got != want {
		t.Errorf("held by %s, want %s", got, want)
	}
	msg := lockfile.Held(path).Error()
	for _, want := range []string{"pid 1 (one), since 2026-03-01T12:00:00Z", fmt.Sprint("pid ", os.Getpid()), filepath.Base(os.Args[0])} {
		if !strings.Contains(msg, want) {
			t.Errorf("%q does not contain %q", msg, want)
		}
	}

	// What somebody left who is gone says nothing, and his place is taken again.
	first.Close()
	if got, want := pids(), fmt.Sprint("2 ", os.Getpid()); got != want {
		t.Errorf("held by %s, want %s", got, want)
	}
	open(lockfile.Holder{PID: 4, Command: "four", Since: since})
	if got, want := pids(), fmt.Sprint("4 2 ", os.Getpid()); got != want {
		t.Errorf("held by %s, want %s", got, want)
	}
	second.Close()
	third.Close()
	if info, err := os.Stat(path); err != nil || info.Size() > 3*256 {
		t.Errorf("the file has grown: %v, %v", info, err)
	}
}

func TestHoldersWithoutWord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	f, err := lockfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := lockfile.Held(path).Error(); !strings.Contains(got, "did not say") {
		t.Errorf("%q", got)
	}
}
