package atocore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/atocore/atocore"
)

// mount mounts, or ends the test where it may not.
func mount(t *testing.T, source, target, kind string, flags uintptr, data string) {
	t.Helper()
	err := syscall.Mount(source, target, kind, flags, data)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("mount %s: %v: CI runs as root, in a namespace that may mount", target, err)
	}
	if err != nil {
		t.Skipf("mount %s: %v: needs root", target, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(target, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// readOnly mounts dir over itself, without the right to write.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	mount(t, dir, dir, "", syscall.MS_BIND, "")
	if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
}

func TestOpenReadOnly(t *testing.T) {
	parent := t.TempDir()
	s := openStoreIn(t, filepath.Join(parent, "store"), nil)
	remember(t, s, statement("x"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(parent, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	readOnly(t, parent)
	for _, name := range []string{"store", "empty", "new"} {
		wantNoOpen(t, parent, filepath.Join(parent, name), nil, atocore.ErrReadOnly)
	}
}

func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	mount(t, "none", disk, "tmpfs", 0, "size=4m")
	dir := filepath.Join(disk, "store")
	ballast := filepath.Join(disk, "ballast")
	fillUp := func() {
		t.Helper()
		f, err := os.Create(ballast)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}

	fillUp()
	_, err := atocore.Open(t.Context(), dir, &atocore.Options{CompileCache: cacheDir})
	if !errors.Is(err, atocore.ErrFull) || !strings.Contains(err.Error(), dir) {
		t.Errorf("Open on a full disk: got %v, want ErrFull and the path", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s := openUnchecked(t, dir, nil)
	m := remember(t, s, statement("before"))
	fillUp()
	failed := 0
	for i := range 2000 {
		before := ""
		if failed == 0 && i%50 == 0 {
			before = digest(t, s)
		}
		_, err := s.Remember(t.Context(), statement(fmt.Sprintf("%d %s", i, strings.Repeat("long ", 2000))))
		if err == nil {
			continue
		}
		if failed++; !errors.Is(err, atocore.ErrFull) {
			t.Fatalf("got %v, want ErrFull", err)
		}
		if before != "" && digest(t, s) != before {
			t.Error("a write that failed has changed the store")
		}
		if failed == 3 {
			break
		}
	}
	if failed == 0 {
		t.Fatal("the disk did not fill up")
	}
	want := digest(t, s)
	must(s.Memory(t.Context(), m.ID))(t) // reading goes on
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if digest(t, s) != want {
		t.Error("the store has changed")
	}
	remember(t, s, statement("after"))
	checkStore(t, s)
}

// A store in a directory, and with a database, that are mounts of their own.
func TestMountedStore(t *testing.T) {
	parent := t.TempDir()
	dir, elsewhere := filepath.Join(parent, "store"), filepath.Join(parent, "elsewhere")
	for _, name := range []string{dir, elsewhere} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount(t, "none", dir, "tmpfs", 0, "size=16m")
	if err := os.Mkdir(filepath.Join(dir, "files"), 0o755); err != nil {
		t.Fatal(err)
	}
	mount(t, elsewhere, filepath.Join(dir, "files"), "", syscall.MS_BIND, "")
	s := openStoreIn(t, dir, nil)
	source := filepath.Join(parent, "notes")
	if err := os.MkdirAll(source, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(source, "a.md"), []byte("# A\n\ntext\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	must(s.IngestPath(t.Context(), source, &atocore.IngestOptions{KeepOriginals: true}))(t)
	d := collect(t, s.Documents(t.Context(), atocore.DocumentFilter{}))[0]
	must(s.Forget(t.Context(), "", d.ID))(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
