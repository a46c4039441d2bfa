// Package atocore is a memory and context engine that a Go program embeds.
//
// A Store is one data directory. It keeps typed memories, trusted project
// state, documents and interactions, finds the right part again by words and
// by vectors, and packs it into a prompt within a budget, each line with its
// source. Start with Open, then Store.Remember and Store.Ingest; a Retriever
// answers with Search and Context; a Backup takes
// snapshots, restores them, and rehearses that by a drill:
//
//	store, err := atocore.Open(ctx, dir, nil)
//	…
//	defer store.Close()
//	_, err = store.Remember(ctx, atocore.Memory{Type: atocore.Preference, Content: "Answers in British English."})
//	pack, err := store.Retriever(nil).Context(ctx, atocore.ContextRequest{Prompt: "Draft the letter", Budget: 1000})
//
// # Guarantees
//
// A write that has returned without an error is on the disk (see Durability)
// and in the journal, which the same transaction extends. A call that returns
// an error has changed nothing, except for those that work in steps and keep
// the steps that are done: Ingest, Import, EmbedPending, Reindex, Repair, and Forget
// once its transaction is committed. Any number of processes may have a store open
// at once: one writes at a time, readers never wait. Every method is safe for
// concurrent use; every method that reads or writes takes a context and gives
// up at its deadline.
//
// # Caveats
//
// A data directory belongs on a local file system: the locks that keep
// processes apart do not work on network file systems. A Store holds a few
// megabytes of WebAssembly memory for each connection. Retrieved text is data
// that somebody wrote; a context pack fences it, but a prompt that trusts it
// is still the caller's decision.
package atocore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// The names inside a data directory. They are part of its format.
const (
	databaseName = "atocore.db"
	lockName     = "atocore.lock"
	filesName    = "files"
)

// Options configures Open. A nil *Options, like a zero one, consists entirely
// of default values.
type Options struct {
	// Embedder turns text into vectors. Nil is the built-in embedder, which
	// needs no model and no network.
	Embedder Embedder

	// NoEmbedder opens the store without one: text is stored and found by
	// its words, and waits for its vectors until an embedder is there again.
	NoEmbedder bool

	// Durability says what an acknowledged write survives. The zero value,
	// Full, survives a loss of power.
	Durability Durability

	// NoCreate makes Open fail with ErrNotFound where there is no store,
	// instead of making one.
	NoCreate bool

	// Actor is who changes the store, for the journal, where the context
	// does not say (see WithActor). The default is "library".
	Actor string

	// CompileCache is a directory for the compiled engine, shared by all
	// stores of a user. With it a new process starts in tens of milliseconds
	// instead of a second. Empty means none. A directory that cannot be used
	// is logged and ignored. The first Open of a process decides.
	CompileCache string

	// Logger receives warnings. Nil is silent. Content is never logged.
	Logger *slog.Logger

	// Now is the clock, for tests. Nil is time.Now.
	Now func() time.Time
}

// Durability says what an acknowledged write survives.
type Durability = sqlite.Durability

const (
	// Full syncs the write-ahead log at every commit: an acknowledged write
	// survives a crash of the process, of the system, and a loss of power.
	Full = sqlite.Full

	// Normal syncs at checkpoints only. A crash of the process loses nothing;
	// a crash of the system or a loss of power can lose the last commits
	// before it. What is left is consistent.
	Normal = sqlite.Normal
)

// A Store is one data directory, open. Its methods are safe for concurrent
// use.
type Store struct {
	dir      string
	opts     Options
	db       *sqlite.DB
	ix       index.Index
	upkeep   maintainer
	drainer  drainer
	trusting sync.Mutex // one measurement of trust at a time
	embedder Embedder   // nil with NoEmbedder
	log      *slog.Logger
	file     os.FileInfo // of the database, as it was opened

	purgeOwed atomic.Bool // whether the log may hold what was forgotten
	damaged   atomic.Bool // whether a read or a write has met damage

	idMu    sync.Mutex
	entropy io.Reader

	close func() error
}

// Prepare loads the engine, or compiles it, which the first Open of a process would do
// otherwise: a program that must be quick calls it in a goroutine of its own, beside what
// it has to do before it opens a store. compileCache is Options.CompileCache. What fails
// is for Open to report.
func Prepare(compileCache string) { sqlite.Prepare(compileCache) }

// Open opens the store in dir, makes it where there is none (and dir itself),
// migrates one that an older version wrote, and finishes a restore that was
// interrupted.
//
// It fails with ErrNewer where a newer version wrote the store, with ErrForeign
// where dir holds another program's database, with ErrInUse where a restore is
// running, and with ErrReadOnly or ErrFull where the directory cannot be
// written; what there is in dir is then left as it was. The store is held, shared with
// other processes, until Close.
func Open(ctx context.Context, dir string, o *Options) (*Store, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Actor == "" {
		opts.Actor = "library"
	}
	s := &Store{opts: opts, log: opts.Logger, entropy: ulid.Monotonic(rand.Reader, 0)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.ix.Logger = s.log
	switch {
	case opts.NoEmbedder && opts.Embedder != nil:
		return nil, &InvalidError{Field: "Options.NoEmbedder", Reason: "an Embedder is given as well", Hint: "set one of the two"}
	case opts.Embedder != nil:
		s.embedder = opts.Embedder
	case !opts.NoEmbedder:
		s.embedder = DefaultEmbedder()
	}
	if s.embedder != nil {
		if err := s.embedder.Space().validate(); err != nil {
			return nil, fmt.Errorf("open store: embedder: %w", err)
		}
	}

	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	s.dir = abs
	if err := s.prepareDir(); err != nil {
		return nil, err
	}
	err = s.openDatabase(ctx, sqlite.Config{
		Path:          filepath.Join(abs, databaseName),
		LockPath:      filepath.Join(abs, lockName),
		ApplicationID: schema.ApplicationID,
		Migrations:    schema.Migrations(),
		Durability:    opts.Durability,
		CacheDir:      opts.CompileCache,
		NoCreate:      opts.NoCreate,
		Logger:        s.log,
	})
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if errors.Is(err, sqlite.ErrNotADatabase) {
			err = fmt.Errorf("%w: %w", ErrForeign, err)
		}
		return nil, fmt.Errorf("open store: %w", err)
	}
	s.close = sync.OnceValue(func() error {
		s.upkeep.stop()
		return s.db.Close()
	})
	if s.file, err = os.Stat(filepath.Join(abs, databaseName)); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", abs, sqlite.FileError("look at", databaseName, err)), s.Close())
	}
	if err := s.begin(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", abs, err), s.Close())
	}
	return s, nil
}

// prepareDir makes the data directory, or says why there cannot be one.
func (s *Store) prepareDir() error {
	info, err := os.Stat(s.dir)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("open store %s: is a file, not a data directory: %w", s.dir, ErrForeign)
	case err == nil && isSnapshot(s.dir):
		return fmt.Errorf("open store %s: is a snapshot, which has to stay as it is: restore it, or validate it: %w", s.dir, ErrForeign)
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist) && s.opts.NoCreate:
		return s.noStore()
	case errors.Is(err, fs.ErrNotExist):
		// 0700: a store holds what people told it in confidence.
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return fmt.Errorf("open store: %w", sqlite.FileError("create directory", s.dir, err))
		}
		return nil
	default:
		return fmt.Errorf("open store: %w", sqlite.FileError("open directory", s.dir, err))
	}
}

// isSnapshot reports whether a directory has what a snapshot has and a store has not.
func isSnapshot(dir string) bool {
	for _, name := range []string{backup.ManifestName, databaseName} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

func (s *Store) noStore() error {
	return &NotFoundError{Kind: "store", ID: s.dir, Hint: "it is made by the first write"}
}

// Close releases the store. It is idempotent; calls that are running fail with
// ErrClosed or finish.
func (s *Store) Close() error { return s.close() }

// Dir is the absolute path of the data directory.
func (s *Store) Dir() string { return s.dir }

// now is the clock at the precision that is stored.
func (s *Store) now() time.Time { return storedTime(s.opts.Now()) }

// newID returns a new ULID in lower case. IDs of one process sort in the order
// in which they were made, also within a millisecond.
func (s *Store) newID() string {
	s.idMu.Lock()
	defer s.idMu.Unlock()
	ms := ulid.Timestamp(s.opts.Now())
	id, err := ulid.New(ms, s.entropy)
	if err != nil {
		// The monotonic part of this millisecond is used up, which a random
		// start makes next to impossible: begin a new one.
		s.entropy = ulid.Monotonic(rand.Reader, 0)
		id = ulid.MustNew(ms, s.entropy)
	}
	return lowerID(id)
}

type actorKey struct{}

// WithActor returns a context whose changes are journaled as made by actor,
// "mcp:claude" say, instead of by Options.Actor.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

func (s *Store) actor(ctx context.Context) string {
	if a, ok := ctx.Value(actorKey{}).(string); ok && a != "" {
		return a
	}
	return s.opts.Actor
}
