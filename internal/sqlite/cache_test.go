package sqlite_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// cacheFile finds the compiled WebAssembly below dir.
func cacheFile(t *testing.T, dir string) string {
	t.Helper()
	var name string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasSuffix(path, ".sum") {
			name = path
		}
		return err
	})
	if err != nil || name == "" {
		t.Fatalf("no cache file in %s: %v", dir, err)
	}
	return name
}

// openWith opens the database in dir in a process of its own with the given cache
// and tells what that process says about it.
func openWith(t *testing.T, dir, cache string) (said string, cpu time.Duration) {
	t.Helper()
	p := startChild(t, "open", dir, cache)
	out := p.finish(t)
	if !strings.Contains(out, " rows, cache ") {
		t.Errorf("said %q", out)
	}
	return out, p.ProcessState.UserTime() + p.ProcessState.SystemTime()
}

// No state of the cache directory fails an open, and only what this program has
// written there is run.
func TestCacheNeverFailsAnOpen(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("compiles many times")
	}
	t.Parallel()
	good := filepath.Join(t.TempDir(), "good")
	if out, _ := openWith(t, t.TempDir(), good); !strings.Contains(out, good) {
		t.Fatalf("said %q", out)
	}
	code, err := os.ReadFile(cacheFile(t, good))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(code)
	flipped[40] ^= 1 // in the table of functions, which the runtime does not verify
	damaged := func(content []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(cacheFile(t, dir), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name   string
		make   func(t *testing.T, dir string)
		usable bool // afterwards it is as good as new
	}{
		{"missing", func(*testing.T, string) {}, true},
		{"empty file", damaged(nil), true},
		{"garbage", damaged(bytes.Repeat([]byte("garbage "), 1000)), true},
		{"cut off", damaged(code[:len(code)/2]), true},
		{"one bit", damaged(flipped), true},
		{"no checksum", func(t *testing.T, dir string) {
			damaged(code)(t, dir)
			if err := os.Remove(cacheFile(t, dir) + ".sum"); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"sealed by another engine", func(t *testing.T, dir string) {
			damaged(code)(t, dir)
			seal := cacheFile(t, dir) + ".sum"
			is, err := os.ReadFile(seal)
			if err != nil {
				t.Fatal(err)
			}
			sum, by, _ := strings.Cut(string(is), " ")
			if by == "" {
				t.Fatalf("the seal does not say whose it is: %q", is)
			}
			if err := os.WriteFile(seal, []byte(sum+" v0.0.1-00000000-00000000"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"sealed, and another file looked for", func(t *testing.T, dir string) {
			damaged(code)(t, dir)
			name := cacheFile(t, dir)
			for _, suffix := range []string{"", ".sum"} {
				if err := os.Rename(name+suffix, filepath.Join(filepath.Dir(name), strings.Repeat("0", 64))+suffix); err != nil {
					t.Fatal(err)
				}
			}
		}, true},
		{"another engine's, read-only", func(t *testing.T, dir string) {
			damaged(code)(t, dir)
			name := cacheFile(t, dir)
			elsewhere := filepath.Join(filepath.Dir(name), strings.Repeat("0", 64))
			if err := os.Rename(name, elsewhere); err != nil {
				t.Fatal(err)
			}
			is, err := os.ReadFile(name + ".sum")
			if err != nil {
				t.Fatal(err)
			}
			sum, _, _ := strings.Cut(string(is), " ")
			if err := os.WriteFile(elsewhere+".sum", []byte(sum+" v0.0.1-00000000-00000000"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, d := range []string{dir, filepath.Dir(name)} {
				if err := os.Chmod(d, 0o500); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { os.Chmod(d, 0o700) })
			}
			if os.Geteuid() == 0 {
				mountReadOnly(t, dir)
			}
		}, false},
		{"directory for a file", func(t *testing.T, dir string) {
			damaged(code)(t, dir)
			name := cacheFile(t, dir)
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(name, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"a file", func(t *testing.T, dir string) {
			if err := os.WriteFile(dir, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"below a file", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Dir(dir), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"open to others", func(t *testing.T, dir string) {
			if runtime.GOOS == "windows" {
				t.Skip("no mode bits")
			}
			damaged(code)(t, dir)
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"read-only", func(t *testing.T, dir string) {
			if err := os.Mkdir(dir, 0o500); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Chmod(dir, 0o700) })
			if os.Geteuid() == 0 {
				mountReadOnly(t, dir)
			}
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "parent", "cache")
			if tt.name != "below a file" {
				if err := os.Mkdir(filepath.Dir(dir), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			tt.make(t, dir)
			out, _ := openWith(t, t.TempDir(), dir)
			if used := strings.Contains(out, `cache "`+dir+`"`); used != tt.usable {
				t.Errorf("said %q", out)
			}
			if tt.usable {
				return
			}
			if strings.HasSuffix(strings.TrimSpace(out), ":") {
				t.Errorf("no reason given: %q", out)
			}
		})
	}
}

// With a warm cache a new process answers for a tenth of the processor time.
func TestWarmCacheSavesTheCompilation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own work is in the way")
	}
	c := config(t.TempDir())
	store, dir := filepath.Dir(c.Path), filepath.Join(t.TempDir(), "cache")
	if err := insert(open(t, c), context.Background(), "x"); err != nil {
		t.Fatal(err)
	}
	out, cold := openWith(t, store, dir)
	if !strings.Contains(out, dir) {
		t.Fatalf("said %q", out)
	}
	warm := cold
	for range 5 {
		_, cpu := openWith(t, store, dir)
		warm = min(warm, cpu)
	}
	t.Logf("cold %v, warm %v", cold, warm)
	if warm > cold/10 {
		t.Errorf("%v of processor time instead of %v", warm, cold)
	}
}
