package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	_ "github.com/asg017/sqlite-vec-go-bindings/ncruces" // SQLite with sqlite-vec
	"github.com/ncruces/go-sqlite3"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// engine is what the driver compiles, once a process.
var engine struct {
	once     sync.Once
	err      error
	cacheDir string // the cache in use, or ""
	noCache  string // why there is none, or ""
}

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
// it. The error says why it cannot be used. release is to be called after the
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
	verified, err := verifyCache(dir)
	if err != nil {
		return nil, nil, err
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
	if err := sealCache(dir); err != nil {
		// Of no consequence but that the next process compiles again.
		engine.noCache = err.Error()
	}
	return cache, func() { _ = rt.Close(ctx) }, nil
}

const sumSuffix = ".sha256"

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

// verifyCache removes every file that does not have its checksum and reports
// whether one is left. The error is that of a file that cannot be removed.
func verifyCache(dir string) (found bool, err error) {
	files, err := cacheFiles(dir)
	if err != nil {
		return false, err
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
			var want []byte
			if want, err = os.ReadFile(name + sumSuffix); err == nil && string(want) == sum {
				found = true
				continue
			}
		}
		if err := os.RemoveAll(name); err != nil {
			return false, fmt.Errorf("unverified cache file: %w", err)
		}
	}
	return found, nil
}

// sealCache writes the checksum of every file that has none.
func sealCache(dir string) error {
	files, err := cacheFiles(dir)
	if err != nil {
		return err
	}
	for _, name := range files {
		if strings.HasSuffix(name, sumSuffix) || strings.HasSuffix(name, ".tmp") {
			continue
		}
		if _, err := os.Stat(name + sumSuffix); err == nil {
			continue
		}
		sum, err := fileSum(name)
		if err != nil {
			return err
		}
		if err := writeWhole(name+sumSuffix, sum); err != nil {
			return err
		}
	}
	return nil
}

func fileSum(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
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
