package sqlite

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	_ "github.com/asg017/sqlite-vec-go-bindings/ncruces" // SQLite with sqlite-vec
	"github.com/ncruces/go-sqlite3"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/cpu"
)

// engine is what the driver compiles, once a process.
var engine struct {
	once     sync.Once
	err      error
	cacheDir string // the cache in use, or ""
	noCache  string // why there is none, or ""
}

// Prepare does what the first Open of a process begins with. Its failure is Open's.
func Prepare(cacheDir string) { _ = startEngine(cacheDir) }

// startEngine compiles SQLite or fetches it compiled from the cache. The first
// call decides: the driver keeps what it has, a failure too. So the cache is
// tried out before the driver gets to see it.
func startEngine(cacheDir string) error {
	engine.once.Do(func() {
		cfg := engineConfig()
		engine.noCache = "not asked for"
		if cacheDir != "" {
			engine.noCache = ""
			cache, release, err := openCache(cfg, cacheDir)
			if err != nil {
				engine.noCache = err.Error()
			} else {
				cfg = cfg.WithCompilationCache(cache)
				engine.cacheDir = cacheDir
				defer release()
			}
		}
		sqlite3.RuntimeConfig = cfg
		if err := noPanic(sqlite3.Initialize); err != nil {
			engine.err = &Error{Op: "compile", Kind: ErrInternal, Err: err}
		}
	})
	return engine.err
}

func engineConfig() wazero.RuntimeConfig {
	cfg := wazero.NewRuntimeConfig().
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesThreads)
	if bits.UintSize < 64 {
		return cfg.WithMemoryLimitPages(512) // 32 MiB: address space is short
	}
	// 512 MiB, twice the driver's default: a value of MaxValue exists up to three
	// times while it is stored, beside a page cache. Only what is used is taken.
	return cfg.WithMemoryLimitPages(8192)
}

// openCache opens the directory and has SQLite compiled into it or loaded from
// it, unless this engine has done so before and the file is what it was then: that
// takes as long as the driver's own loading. The error says why it cannot be used. release is to be called after the
// driver has fetched its own copy.
//
// What is loaded is machine code, so it is run only if it is what this program
// wrote: each file has a checksum beside it, and the directory must not be open
// to others. (The runtime's own checksum leaves parts of the file out.)
func openCache(cfg wazero.RuntimeConfig, dir string) (_ wazero.CompilationCache, release func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	fi, err := os.Stat(dir)
	if err != nil {
		return nil, nil, err
	}
	if !fi.IsDir() {
		return nil, nil, fmt.Errorf("%s is not a directory", dir)
	}
	if othersMayWrite(fi) {
		return nil, nil, fmt.Errorf("%s can be written by other users", dir)
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	defer func() {
		if err != nil {
			_ = cache.Close(ctx)
		}
	}()
	loads, verified, err := verifyCache(dir)
	if err != nil {
		return nil, nil, err
	}
	if loads {
		return cache, func() {}, nil // what this very engine has loaded or written before
	}
	if !verified {
		// Compiling costs a second: know beforehand that the result can be kept.
		if err := tryWriting(dir); err != nil {
			return nil, nil, err
		}
	}
	rt := wazero.NewRuntimeWithConfig(ctx, cfg.WithCompilationCache(cache))
	if err := noPanic(func() error {
		_, err := rt.CompileModule(ctx, sqlite3.Binary)
		return err
	}); err != nil {
		_ = rt.Close(ctx)
		return nil, nil, fmt.Errorf("%s: %w", dir, err)
	}
	if err := sealCache(dir, engineIdentity()); err != nil {
		// Of no consequence but that the next process compiles again.
		engine.noCache = err.Error()
	}
	return cache, func() { _ = rt.Close(ctx) }, nil
}

// sumSuffix is that of the files with checksums. They guard against damage, not
// against malice: who may write the one may write the other.
const sumSuffix = ".sum"

// engineIdentity stands for what decides under which name the runtime looks for its
// file, and what it makes of it: its version, what it compiles, the processor. Empty is
// not known.
var engineIdentity = sync.OnceValue(func() string {
	version := runtimeVersion()
	if version == "" {
		return ""
	}
	processor := fmt.Sprintf("%s %+v %+v", runtime.GOARCH, cpu.X86, cpu.ARM64)
	return fmt.Sprintf("%s-%08x-%08x", version, crc32.Checksum(sqlite3.Binary, castagnoli), crc32.Checksum([]byte(processor), castagnoli))
})

// runtimeVersion is the version of wazero. A program that does not know what it was
// built from, a test for one, stands for itself.
func runtimeVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == "github.com/tetratelabs/wazero" && dep.Replace == nil {
				return dep.Version
			}
		}
	}
	name, err := os.Executable()
	if err != nil {
		return ""
	}
	fi, err := os.Stat(name)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("dev.%d.%d", fi.Size(), fi.ModTime().UnixNano())
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli) // the processor computes it

// cacheFiles lists the runtime's files under dir: one for each of its versions,
// and kind of processor.
func cacheFiles(dir string) ([]string, error) {
	pattern := "wazero-*-" + runtime.GOARCH + "-" + runtime.GOOS
	dirs, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, d := range dirs {
		if ok, _ := filepath.Match(pattern, d.Name()); !ok || !d.IsDir() {
			continue
		}
		sub := filepath.Join(dir, d.Name())
		entries, err := os.ReadDir(sub)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			files = append(files, filepath.Join(sub, e.Name()))
		}
	}
	return files, nil
}

// verifyCache removes every file that does not have its checksum and reports whether
// one is left, and whether one is that this engine has used before: then there is
// nothing to try out. The error is that of a file that cannot be removed.
func verifyCache(dir string) (loads, found bool, err error) {
	files, err := cacheFiles(dir)
	if err != nil {
		return false, false, err
	}
	for _, name := range files {
		if strings.HasSuffix(name, sumSuffix) {
			continue
		}
		if strings.HasSuffix(name, ".tmp") {
			// Another process's work in progress, unless that was killed.
			if fi, err := os.Stat(name); err == nil && time.Since(fi.ModTime()) > time.Hour {
				os.Remove(name)
			}
			continue
		}
		sum, err := fileSum(name)
		if err == nil {
			var seal []byte
			if seal, err = os.ReadFile(name + sumSuffix); err == nil {
				want, by, _ := strings.Cut(string(seal), " ")
				if want == sum {
					found = true
					loads = loads || by != "" && by == engineIdentity()
					continue
				}
			}
		}
		if err := os.RemoveAll(name); err != nil {
			return false, false, fmt.Errorf("unverified cache file: %w", err)
		}
	}
	return loads, found, nil
}

// sealCache writes the checksum of every file that has none, and the identity of the
// engine that has just used it. Where there is one file, that is what it has used.
func sealCache(dir, identity string) error {
	files, err := cacheFiles(dir)
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(name string) bool {
		return strings.HasSuffix(name, sumSuffix) || strings.HasSuffix(name, ".tmp")
	})
	for _, name := range files {
		if _, err := os.Stat(name + sumSuffix); err == nil && len(files) > 1 {
			continue
		}
		sum, err := fileSum(name)
		if err != nil {
			return err
		}
		if err := writeWhole(name+sumSuffix, sum+" "+identity); err != nil {
			return err
		}
	}
	return nil
}

// fileSum is the size and CRC-32C of a file.
func fileSum(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := crc32.New(castagnoli)
	n, err := io.Copy(h, f)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d-%08x", n, h.Sum32()), nil
}

// writeWhole writes a file that is there whole or not at all.
func writeWhole(name, content string) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func tryWriting(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	subs := []string{dir}
	for _, e := range entries {
		if ok, _ := filepath.Match("wazero-*-"+runtime.GOARCH+"-"+runtime.GOOS, e.Name()); ok && e.IsDir() {
			subs = append(subs, filepath.Join(dir, e.Name()))
		}
	}
	for _, sub := range subs {
		f, err := os.CreateTemp(sub, "probe.*.tmp")
		if err != nil {
			return err
		}
		f.Close()
		if err := os.Remove(f.Name()); err != nil {
			return err
		}
	}
	return nil
}

// noPanic turns a panic of f into an error.
func noPanic(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicError(p)
		}
	}()
	return f()
}

func panicError(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic: %v", p)
}
