package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mountTmpfs mounts a small file system of its own, which can be full and can
// be read-only without anything else being so. It needs root.
func mountTmpfs(t *testing.T, size string) (dir string, remount func(flags uintptr)) {
	t.Helper()
	dir = t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		if os.Getenv("CI") != "" {
			t.Fatalf("mount: %v: run as root", err)
		}
		t.Skipf("mount: %v: needs root", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|flags, "size="+size); err != nil {
			t.Fatal(err)
		}
	}
}

// A shell runs commands on one data directory in this process.
type shell struct {
	t    *testing.T
	data string
}

// run wants the exit code, and the error's code with it, and returns the
// document.
func (s shell) run(exit int, code string, args ...string) map[string]any {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	got := run(s.t.Context(), s.data, nil, &stdout, &stderr, append([]string{"--json"}, args...)...)
	if got != exit {
		s.t.Fatalf("%q: exit code %d, want %d\n%s%s", args, got, exit, stdout.String(), stderr.String())
	}
	var doc map[string]any
	from := io.Reader(&stdout)
	if exit != 0 {
		if stdout.Len() > 0 {
			s.t.Errorf("%q: failed, but wrote %q", args, stdout.String())
		}
		from = &stderr
	}
	if err := json.NewDecoder(from).Decode(&doc); err != nil {
		s.t.Fatalf("%q: %v", args, err)
	}
	if exit != 0 {
		body := doc["error"].(map[string]any)
		if body["code"] != code {
			s.t.Errorf("%q: error code %v, want %s", args, body["code"], code)
		}
		if !strings.Contains(body["message"].(string), s.data) {
			s.t.Errorf("%q: message %q does not say where", args, body["message"])
		}
	}
	return doc
}

func (s shell) memories() int {
	s.t.Helper()
	return len(s.run(0, "", "list")["memories"].([]any))
}

func TestReadOnly(t *testing.T) {
	dir, remount := mountTmpfs(t, "16m")
	sh := shell{t: t, data: filepath.Join(dir, "store")}
	sh.run(0, "", "add", "knowledge", "Written while it could be.")

	remount(unix.MS_RDONLY)
	sh.run(1, "read_only", "add", "knowledge", "Written when it could not.")
	other := sh
	other.data = filepath.Join(dir, "other")
	other.run(1, "read_only", "add", "knowledge", "There is no store here.")

	remount(0)
	if got := sh.memories(); got != 1 {
		t.Errorf("%d memories, want 1", got)
	}
	sh.run(0, "", "doctor")
	if _, err := os.Stat(other.data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the failed command left %s: %v", other.data, err)
	}
}

func TestFull(t *testing.T) {
	dir, _ := mountTmpfs(t, "12m")
	sh := shell{t: t, data: filepath.Join(dir, "store")}
	sh.run(0, "", "add", "knowledge", "Written while there was room.")

	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	written := 1
	// The file may have free pages left: go on until there is no room.
	for i := 0; ; i++ {
		if i == 1000 {
			t.Fatal("a thousand writes to a full disk, and all went well")
		}
		text := fmt.Sprintf("Number %d. %s", i, strings.Repeat(fmt.Sprintf("word%d ", i), 5000))
		if full(t, sh, text) {
			break
		}
		written++
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if got := sh.memories(); got != written {
		t.Errorf("%d memories, want the %d that were acknowledged", got, written)
	}
	sh.run(0, "", "doctor")
	sh.run(0, "", "add", "knowledge", "Written when there was room again.")
}

// fill takes all the space that is left.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1 << 20, 1 << 12} {
		block := make([]byte, size)
		for {
			if _, err = f.Write(block); err != nil {
				break
			}
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// full adds a memory and reports whether the disk was full.
func full(t *testing.T, sh shell, text string) bool {
	t.Helper()
	var stdout, stderr bytes.Buffer
	exit := run(t.Context(), sh.data, strings.NewReader(text), &stdout, &stderr, "add", "knowledge", "--json", "-")
	switch {
	case exit == 0:
		return false
	case exit == 1 && stdout.Len() == 0 && strings.Contains(stderr.String(), `"code":"full"`):
		return true
	}
	t.Fatalf("exit code %d\n%s%s", exit, stdout.String(), stderr.String())
	return false
}
