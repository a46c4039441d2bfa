package httpapi_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/httpapi"
)

// mount mounts something over dir until the test ends, or skips it.
func mount(t *testing.T, source, dir, kind string, flags uintptr, options string) {
	t.Helper()
	if err := unix.Mount(source, dir, kind, flags, options); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("cannot mount a file system, and CI has to: %v", err)
		}
		t.Skipf("cannot mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=8m")
	store := openIn(t, filepath.Join(dir, "store"), nil)
	s := serve(t, store, &httpapi.Options{Token: token})
	m := get[atocore.Memory](t, s, "POST", "/memories", `{"type":"knowledge","content":"Water is wet."}`)
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4096); err == nil; {
		_, err = f.Write(chunk)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	s.fails(t, 507, "full", "POST", "/memories", `{"type":"knowledge","content":"Fire is hot."}`)
	s.fails(t, 507, "full", "POST", "/admin/backup", nil)
	if got := get[memories](t, s, "GET", "/memories", nil); len(got.Memories) != 1 || got.Memories[0].ID != m.ID {
		t.Errorf("listed: %+v", got)
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		t.Fatal(err)
	}
	get[atocore.Memory](t, s, "POST", "/memories", `{"type":"knowledge","content":"Fire is hot."}`)
}

func TestReadOnlyDisk(t *testing.T) {
	dir := t.TempDir()
	store := openIn(t, dir, nil)
	s := serve(t, store, nil)
	get[httpapi.Health](t, s, "GET", "/health", nil)
	// Over the directory comes a view of it that nobody can write through.
	mount(t, dir, dir, "", unix.MS_BIND, "")
	if err := unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	a := s.do(t, "GET", "/health", nil)
	var h httpapi.Health
	if err := json.Unmarshal(a.body, &h); err != nil {
		t.Fatal(err)
	}
	if a.status != 503 || h.Code != "read_only" {
		t.Errorf("health: %d %+v", a.status, h)
	}
	s.fails(t, 503, "read_only", "POST", "/admin/backup", nil)
}
