package restore_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/restore"
)

// inNamespace runs the test again in a process with mounts of its own, where it
// returns true. Where that is not allowed the test is skipped, except in CI.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv("RESTORE_TEST_NAMESPACE") == t.Name() {
		if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "RESTORE_TEST_NAMESPACE="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
		if os.Getenv("CI") != "" {
			t.Fatalf("no mount namespace, and CI has to: %v", err)
		}
		t.Skipf("no mount namespace: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return false
}

func bind(t *testing.T, from, to string) {
	t.Helper()
	mount(t, from, to, "", syscall.MS_BIND, "")
}

func tmpfs(t *testing.T, dir, size string) {
	t.Helper()
	mount(t, "none", dir, "tmpfs", 0, "size="+size)
}

func mount(t *testing.T, from, to, kind string, flags uintptr, data string) {
	t.Helper()
	if err := syscall.Mount(from, to, kind, flags, data); err != nil {
		t.Fatalf("mount %s: %v", to, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(to, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// identity is what must stay of a file or directory when a store is restored.
func identity(t *testing.T, name string) string {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("device %d inode %d mode %v owner %d:%d", st.Dev, st.Ino, info.Mode(), st.Uid, st.Gid)
}

func identities(t *testing.T, data string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{"", "atocore.db", "atocore.lock", "files", "files/README", "notes.txt", "backups", "backups/snapshots", originalName("kept")} {
		all[name] = identity(t, filepath.Join(data, name))
	}
	return all
}

// restoreAndCompare restores and undoes, and wants every place to stay what it is.
func restoreAndCompare(t *testing.T, r *rig) {
	t.Helper()
	before := identities(t, r.data)
	r.run(nil)
	r.wants(r.was)
	r.undo()
	r.wants(r.now)
	if diff := cmp.Diff(before, identities(t, r.data)); diff != "" {
		t.Errorf("identities (-before +after):\n%s", diff)
	}
}

// In every process, also where mounting is not allowed.
func TestInodesStay(t *testing.T) {
	r := newRig(t)
	if err := os.Chmod(filepath.Join(r.data, "atocore.db"), 0o640); err != nil {
		t.Fatal(err)
	}
	restoreAndCompare(t, r)
}

func TestBindMounts(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	places := map[string]string{"data": "", "files": "files", "snapshots": "backups/snapshots", "database": "atocore.db"}
	shapes := map[string][]string{"all": {"data", "files", "snapshots", "database"}}
	for name := range places {
		shapes[name] = []string{name}
	}
	for shape, mounted := range shapes {
		for _, apart := range []bool{false, true} { // each on a file system of its own
			t.Run(fmt.Sprint(shape, " ", apart), func(t *testing.T) {
				r := newRig(t)
				for _, name := range mounted {
					place := filepath.Join(r.data, places[name])
					from := filepath.Join(t.TempDir(), "from")
					if apart {
						tmpfs(t, filepath.Dir(from), "16m")
					}
					info, err := os.Stat(place)
					if err != nil {
						t.Fatal(err)
					}
					if info.IsDir() {
						copyTree(t, place, from)
					} else {
						writeFile(t, from, readFile(t, place))
					}
					bind(t, from, place)
					source := identity(t, from)
					defer func() {
						if got := identity(t, from); got != source {
							t.Errorf("what is mounted as %s was %s and is %s", name, source, got)
						}
					}()
				}
				restoreAndCompare(t, r)
			})
		}
	}
}

// Files that are removed or replaced are mount points, which is refused.
func TestMountedFiles(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := newRig(t)
	dir := t.TempDir()
	stale := filepath.Join(dir, "log")
	writeFile(t, stale, "a log of somebody's")
	wal := filepath.Join(r.data, "atocore.db-wal")
	writeFile(t, wal, "")
	bind(t, stale, wal)
	wrong := filepath.Join(dir, "original")
	writeFile(t, wrong, "wrong content, and longer than the right one")
	original := filepath.Join(r.data, originalName("kept"))
	bind(t, wrong, original)
	before := []string{identity(t, wal), identity(t, original)}

	r.run(func(o *restore.Options) { o.NoPreSnapshot = true })
	if got := readFile(t, stale); got != "" {
		t.Errorf("the log holds %q", got)
	}
	if got := readFile(t, wrong); got != "kept" {
		t.Errorf("the original holds %q", got)
	}
	if diff := cmp.Diff(before, []string{identity(t, wal), identity(t, original)}); diff != "" {
		t.Error(diff)
	}
	r.wants(r.was)
}

// Nothing is written beside the data directory, nor into the snapshots but by
// package backup.
func TestReadOnlySurroundings(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := newRig(t)
	parent := filepath.Dir(r.data)
	from := filepath.Join(t.TempDir(), "from")
	copyTree(t, r.data, from)
	bind(t, parent, parent)
	bind(t, from, r.data)
	readOnly := func(dir string) {
		t.Helper()
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
	}
	readOnly(parent)
	if err := os.WriteFile(filepath.Join(parent, "x"), nil, 0o600); !errors.Is(err, syscall.EROFS) {
		t.Fatalf("the parent can be written: %v", err)
	}
	restoreAndCompare(t, r)

	bind(t, r.c.Dir(), r.c.Dir())
	readOnly(r.c.Dir())
	o := restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true}
	if _, err := restore.Run(t.Context(), r.c, o); !errors.Is(err, sqlite.ErrReadOnly) || !strings.Contains(err.Error(), "--no-pre-snapshot") {
		t.Errorf("snapshots that cannot be written: %v", err)
	}
	r.wants(r.now)
	r.run(func(o *restore.Options) { o.NoPreSnapshot = true })
	r.wants(r.was)

	readOnly(r.data)
	o.NoPreSnapshot = true
	if _, err := restore.Run(t.Context(), r.c, o); !errors.Is(err, sqlite.ErrReadOnly) {
		t.Errorf("a data directory that cannot be written: %v", err)
	}
}

// On a disk that is too full a restore fails, and changes nothing.
func TestFullDisk(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := newRig(t)
	addTo(t, s.data, strings.Repeat("much ", 20_000), strings.Repeat("more ", 20_000))
	s.was = stateOf(t, s.data)
	delete(s.was.Files, "notes.txt")
	delete(s.was.Files, "files/README")
	s.stamp = s.create("")
	failed := 0
	for leave := int64(0); ; leave += 128 << 10 {
		disk := t.TempDir()
		tmpfs(t, disk, "12m")
		r := &rig{t: t, data: filepath.Join(disk, "data"), stamp: s.stamp, was: s.was}
		if err := os.Mkdir(r.data, 0o700); err != nil {
			t.Fatal(err)
		}
		addTo(t, r.data, "little")
		r.now = stateOf(t, r.data)
		r.c = config(r.data)
		r.c.Snapshots = s.c.Dir()
		free := fill(t, disk, leave)
		_, err := restore.Run(t.Context(), r.c, restore.Options{Stamp: s.stamp, ConfirmServiceStopped: true})
		if restore.Pending(r.data) {
			t.Fatalf("%d bytes were left, and the restore was begun: %v", leave, err)
		}
		free()
		if err == nil {
			r.wants(r.was)
			break
		}
		if !errors.Is(err, sqlite.ErrFull) {
			t.Fatalf("%d bytes were left: %v", leave, err)
		}
		r.wants(r.now)
		failed++
	}
	if failed < 10 {
		t.Errorf("%d restores failed", failed)
	}
	t.Logf("%d restores failed", failed)
}

// The pre-restore snapshot does not fit.
func TestFullSnapshots(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := newRig(t)
	dir := t.TempDir()
	copyTree(t, r.c.Dir(), filepath.Join(dir, "from"))
	tmpfs(t, r.c.Dir(), "8m")
	copyTree(t, filepath.Join(dir, "from"), r.c.Dir())
	fill(t, r.c.Dir(), 64<<10)
	o := restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true}
	before := bytesOf(t, r.data)
	if _, err := restore.Run(t.Context(), r.c, o); !errors.Is(err, sqlite.ErrFull) || !strings.Contains(err.Error(), "--no-pre-snapshot") {
		t.Errorf("got %v", err)
	}
	after := bytesOf(t, r.data)
	for name := range after { // what backup leaves is for backup to clean up
		if strings.HasPrefix(name, r.c.Dir()) {
			delete(after, name)
			delete(before, name)
		}
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("something was touched:\n%s", diff)
	}
	r.run(func(o *restore.Options) { o.NoPreSnapshot = true })
	r.wants(r.was)
}

// fill takes all space of a file system but so many bytes.
func fill(t *testing.T, dir string, leave int64) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for page := make([]byte, 4096); err == nil; size += 4096 {
		_, err = f.Write(page)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Truncate(max(size-4096-leave, 0)); err != nil {
		t.Fatal(err)
	}
	return func() { _ = os.Remove(name) }
}

// What the superuser restores from outside is the service's own.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	s := newRig(t)
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(data, 12345, 23456); err != nil {
		t.Fatal(err)
	}
	c := config(data)
	c.Snapshots = s.c.Dir()
	if _, err := restore.Run(t.Context(), c, restore.Options{Stamp: s.stamp, ConfirmServiceStopped: true}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"atocore.db", "atocore.lock", "files", filepath.Dir(originalName("kept")), originalName("kept")} {
		if got := identity(t, filepath.Join(data, name)); !strings.HasSuffix(got, " owner 12345:23456") {
			t.Errorf("%s: %s", name, got)
		}
	}
}
