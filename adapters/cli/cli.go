// Package cli is atocore's command line as a function: Run takes arguments,
// streams and environment, and returns the exit code. cmd/atocore is Run and a
// signal handler.
//
// Standard output carries results, and with --json exactly one JSON document.
// Errors, notes and progress go to standard error. A command that fails writes
// nothing to standard output, reports of the faults that a check found excepted. See docs/cli.md for
// every command, the exit codes and the configuration file.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/hooks"
	"github.com/atocore/atocore/adapters/importers"
)

// globals are the flags that stand before or after any command.
type globals struct {
	Data           *string `placeholder:"DIR" help:"Data directory (ATOCORE_DATA). The default is ${data}."`
	Backups        *string `placeholder:"DIR" help:"Directory of the snapshots (ATOCORE_BACKUPS). The default is backups/snapshots in the data directory."`
	Embedder       *string `placeholder:"SPEC" help:"What makes vectors of texts (ATOCORE_EMBEDDER): default, none, static:DIR or openai:MODEL@URL."`
	EmbeddingCache *string `placeholder:"DIR" help:"Where vectors that a server has made are kept (ATOCORE_EMBEDDING_CACHE), or off. The default is in the user's cache directory."`
	JSON           bool    `name:"json" help:"Print one JSON document on standard output."`
	Quiet          bool    `short:"q" help:"No progress bars, notes and hints on standard error."`
}

// program is the whole command line: the commands are in a file each.
type program struct {
	globals

	Add        addCmd        `cmd:"" group:"memories" help:"Remember a statement."`
	List       listCmd       `cmd:"" group:"memories" help:"List memories, newest first."`
	Get        getCmd        `cmd:"" group:"memories" help:"Print a record: memory, state, document, chunk or interaction."`
	Revise     reviseCmd     `cmd:"" group:"memories" help:"Change the words of a memory."`
	Supersede  supersedeCmd  `cmd:"" group:"memories" help:"Replace a memory by a corrected one."`
	Invalidate invalidateCmd `cmd:"" group:"memories" help:"Mark a memory as wrong."`
	Promote    promoteCmd    `cmd:"" group:"memories" help:"Make a candidate active."`
	Review     reviewCmd     `cmd:"" group:"memories" help:"What was proposed from conversations, to be accepted or rejected."`
	Reinforce  reinforceCmd  `cmd:"" group:"memories" help:"Say that a memory still holds."`
	Forget     forgetCmd     `cmd:"" group:"memories" help:"Remove a record for good, history included."`
	History    historyCmd    `cmd:"" group:"memories" help:"Print what happened to a record."`

	Search  searchCmd  `cmd:"" group:"retrieval" help:"Find what fits a question."`
	Context contextCmd `cmd:"" group:"retrieval" help:"Pack what fits a prompt into a budget."`
	Eval    evalCmd    `cmd:"" group:"retrieval" help:"Measure retrieval on documents and questions of yours."`

	Ingest       ingestCmd       `cmd:"" group:"sources" help:"Take in Markdown and text files."`
	Import       importCmd       `cmd:"" group:"sources" help:"Take in what export wrote, or another program keeps."`
	Capture      captureCmd      `cmd:"" group:"sources" help:"Record a prompt and its response."`
	Interactions interactionsCmd `cmd:"" group:"sources" help:"List captured interactions, newest first."`
	Hook         hookCmd         `cmd:"" group:"sources" help:"Capture and context for coding agents."`

	State   stateCmd   `cmd:"" group:"projects" help:"Trusted facts of a project."`
	Project projectCmd `cmd:"" group:"projects" help:"Projects and their aliases."`

	Export     exportCmd     `cmd:"" group:"store" help:"Write all records, or one project's, as JSON Lines."`
	Backup     backupCmd     `cmd:"" group:"store" help:"Snapshots, restores and drills."`
	Serve      serveCmd      `cmd:"" group:"store" help:"Serve the store over HTTP."`
	Health     healthCmd     `cmd:"" group:"store" help:"Ask a service whether it is well."`
	Stats      statsCmd      `cmd:"" group:"store" help:"Count what the store holds."`
	Doctor     doctorCmd     `cmd:"" group:"store" help:"Check the store."`
	Reindex    reindexCmd    `cmd:"" group:"store" help:"Embed everything anew."`
	MCP        mcpCmd        `cmd:"" name:"mcp" group:"other" help:"Serve the store to a program that speaks the Model Context Protocol."`
	Tour       tourCmd       `cmd:"" group:"other" help:"See the main job done, in a temporary store."`
	Completion completionCmd `cmd:"" group:"other" help:"Print a shell completion script."`
	Version    versionCmd    `cmd:"" group:"other" help:"Print versions."`
}

// hookProgram is the part of it that an agent runs at each prompt. To make all of it
// known to kong takes longer than a hook's own work.
type hookProgram struct {
	globals

	Hook hookCmd `cmd:"" group:"sources"`
}

// A session is what commands get injected beside the context.
type session struct {
	stdin     io.Reader
	stderr    io.Writer
	out       *output
	dir       string // data directory
	snapshots string // empty is the default
	cache     string // compiled engine; empty is none
	quiet     bool
	embedder  *chosenEmbedder
	getenv    func(string) string
	home      string // empty where there is none
	told      bool   // whether the data directory is another than the default
}

// Run runs the command line args, without the program's name, and returns the
// exit code. Files apart, it reads and writes nothing but what it is given;
// getenv is os.Getenv or a test's. Run is done when ctx is cancelled: what was
// not committed by then is not kept.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	s := &session{
		stdin:  stdin,
		stderr: stderr,
		out:    &output{w: stdout, terminal: isTerminal(stdout)},
		getenv: getenv,
	}
	if runsAsHook(args, stdin) {
		return s.runHook(ctx, args, getenv)
	}
	var p program
	err := s.run(ctx, &p, &p.globals, args, getenv)
	if err == nil || exitCode(err) == exitFaults { // with a report of the faults
		if flushErr := s.out.flush(); flushErr != nil {
			err = fmt.Errorf("write to standard output: %w", flushErr)
		}
	}
	if err != nil {
		s.report(err)
	}
	return exitCode(err)
}

// runHook is Run for a hook. An agent takes some exit codes for an order to go on
// working, and shows what it reads to its user or its model: so there is nothing to
// read but the answer, and the code is 0.
func (s *session) runHook(ctx context.Context, args []string, getenv func(string) string) int {
	defer func() { _ = recover() }()
	// An agent that has gone is no reason to end with another code.
	gone := make(chan os.Signal, 1)
	signal.Notify(gone, syscall.SIGPIPE)
	defer signal.Stop(gone)
	s.stderr = io.Discard
	// It takes longer than all that comes before the store is opened.
	go atocore.Prepare(directories(runtime.GOOS, getenv).cache)
	var p hookProgram
	if s.run(ctx, &p, &p.globals, args, getenv) == nil {
		_ = s.out.flush()
	}
	return exitDone
}

// run runs a command of grammar, a program or part of one whose flags are in g.
func (s *session) run(ctx context.Context, grammar any, g *globals, args []string, getenv func(string) string) error {
	dirs := directories(runtime.GOOS, getenv)
	config := &settings{getenv: getenv, home: dirs.home}
	k, err := newParser(grammar, dirs, s.out, s.stderr, kong.Resolvers(config))
	if err != nil {
		return err
	}
	if len(args) > 0 && args[0] == completeCommand {
		return complete(k.Model, args[1:], s.out)
	}
	configErr := config.read(dirs)
	if _, whole := grammar.(*program); whole && configErr == nil {
		configErr = config.check(k.Model)
	}
	s.out.json = asksJSON(args, config.json)
	if err := checkUTF8(args); err != nil {
		return err
	}
	if len(args) > 0 && args[0] == "help" {
		args = append(args[1:len(args):len(args)], "--help")
	}
	if len(args) == 0 {
		config.off = true
		if _, err := parse(k, []string{"--help"}); err != nil {
			return err
		}
		if !s.out.json {
			fmt.Fprintln(s.stderr, s.out.buf.String()) // help that nobody asked for is not a result
		}
		return &usageError{reason: "no command given"}
	}

	command, err := parse(k, args)
	if err != nil || configErr != nil && !isHook(command) {
		// What is no concern of the configuration works with a wrong one.
		config.off = true
		if plain, err := parse(k, args); err == nil && plain != nil && needsNoConfig(plain) {
			return s.command(ctx, g, plain, dirs, getenv)
		}
	}
	if usage, ok := errors.AsType[*usageError](err); ok {
		usage.reason = config.blame(usage.reason)
	}
	if err != nil || command == nil {
		return err
	}
	if configErr != nil && !(isHook(command) && g.Data != nil) { // a hook works if it knows where
		return configErr
	}
	return s.command(ctx, g, command, dirs, getenv)
}

// needsNoConfig reports whether the command works with a configuration that is
// wrong, as --help does.
func needsNoConfig(command *kong.Context) bool {
	switch command.Selected().Name {
	case "version", "completion", "tour":
		return true
	}
	return false
}

// command runs the command that was chosen.
func (s *session) command(ctx context.Context, p *globals, command *kong.Context, dirs locations, getenv func(string) string) (err error) {
	s.out.json, s.quiet = p.JSON, p.Quiet
	s.dir, s.cache, s.home = dirs.data, dirs.cache, dirs.home
	if p.Data != nil {
		s.told = true
		if s.dir = *p.Data; s.dir == "" {
			return &usageError{reason: "--data is empty"}
		}
	}
	if p.Backups != nil {
		if s.snapshots = *p.Backups; s.snapshots == "" {
			return &usageError{reason: "--backups is empty"}
		}
	}
	if s.dir == "" {
		return &usageError{reason: "no data directory: there is no home directory, so name one with --data or ATOCORE_DATA"}
	}
	if s.embedder, err = p.choose(dirs, getenv); err != nil {
		if !needsNoConfig(command) && !isHook(command) {
			return err
		}
		s.embedder = &chosenEmbedder{}
		if isHook(command) {
			s.embedder.spec = "none" // texts wait for the right one
		}
	}
	command.BindTo(ctx, (*context.Context)(nil))
	return errors.Join(command.Run(s), s.embedder.close())
}

func newParser(grammar any, dirs locations, stdout, stderr io.Writer, more ...kong.Option) (*kong.Kong, error) {
	return kong.New(grammar, append([]kong.Option{
		kong.Name("atocore"),
		kong.Description("A memory and context engine. A store needs no set-up: the first write makes it."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { panic(helped{}) }),
		kong.ExplicitGroups([]kong.Group{
			{Key: "memories", Title: "Memories:"},
			{Key: "retrieval", Title: "Retrieval:"},
			{Key: "sources", Title: "Documents and interactions:"},
			{Key: "projects", Title: "Projects:"},
			{Key: "store", Title: "The store:"},
			{Key: "other", Title: "Other:"},
		}),
		kong.Vars{
			"data":     dirs.shown,
			"types":    join(memoryTypes),
			"statuses": join(statuses),
			"kinds":    join(kinds),
			"agents":   strings.Join(hooks.Agents(), ","),
			"ofagent":  strings.Join(hooks.Agents(), ", "),
			"sources":  strings.Join(importers.Names(), ","),
			"ofsource": strings.Join(importers.Names(), ", "),
			"oftype":   strings.ReplaceAll(join(memoryTypes), ",", ", "),
			"ofstatus": strings.ReplaceAll(join(statuses), ",", ", "),
			"ofkind":   strings.ReplaceAll(join(kinds), ",", ", "),
		},
	}, more...)...)
}

// checkUTF8 refuses what kong would rewrite without a word: it puts U+FFFD for
// every byte that is not UTF-8, in paths too.
func checkUTF8(args []string) error {
	for i, a := range args {
		if !utf8.ValidString(a) {
			return &atocore.InvalidError{
				Field:  fmt.Sprintf("argument %d, %.40q", i+1, a),
				Reason: "is not UTF-8",
				Hint:   "a file or folder of such a name has to be renamed",
			}
		}
	}
	return nil
}

// negative is what kong says of a number that it takes for a flag.
var negative = regexp.MustCompile(`^(--[a-z-]+): expected (?:int|float) value but got "(-[0-9.]+)".*`)

// helped is how kong's --help, which wants to exit the process, comes back.
type helped struct{}

// parse returns the chosen command, or nil where help was printed instead.
func parse(k *kong.Kong, args []string) (command *kong.Context, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case helped:
			command, err = nil, nil
		default:
			panic(r)
		}
	}()
	command, err = k.Parse(args)
	if parseErr, ok := errors.AsType[*kong.ParseError](err); ok {
		u := &usageError{reason: negative.ReplaceAllString(parseErr.Error(), "$1: $2 is negative")}
		if parseErr.Context != nil {
			if node := parseErr.Context.Selected(); node != nil {
				u.command = node.FullPath()
			}
		}
		return nil, u
	}
	return command, err
}

// asksJSON reports whether --json is among the flags, or else in the
// configuration, for the errors that come before the arguments are understood.
func asksJSON(args []string, config bool) bool {
	for _, a := range args {
		switch a {
		case "--":
			return config
		case "--json", "--json=true":
			return true
		case "--json=false":
			return false
		}
	}
	return config
}

// with opens the store, calls fn and closes the store.
func (s *session) with(ctx context.Context, create bool, fn func(*atocore.Store) error) error {
	options := s.options()
	options.NoCreate = !create
	if err := s.withEmbedder(ctx, options); err != nil {
		return err
	}
	store, err := atocore.Open(ctx, s.dir, options)
	if err != nil {
		if missing, ok := errors.AsType[*atocore.NotFoundError](err); ok && missing.Kind == "store" {
			return &atocore.NotFoundError{Kind: "store", ID: missing.ID, Hint: "the first write makes it: atocore project add, or without --project atocore add, ingest or capture"}
		}
		return err
	}
	return errors.Join(fn(store), store.Close())
}

// withNew is with for a command that may make the store, and then must not fail
// on its input with a store made. No project is in a store that is not there
// yet. The rest of the rules are the library's, which needs a store to judge
// by: fn is tried in a temporary one first, so it must not change its input.
func (s *session) withNew(ctx context.Context, project string, fn func(*atocore.Store) error) error {
	err := s.with(ctx, reads, fn)
	missing, ok := errors.AsType[*atocore.NotFoundError](err)
	if !ok || missing.Kind != "store" || project != "" {
		return err
	}
	err = s.withTemporary(ctx, fn)
	if errors.Is(err, atocore.ErrInvalid) || errors.Is(err, atocore.ErrNotFound) {
		return err // anything else is about the temporary directory
	}
	return s.with(ctx, creates, fn)
}

// withTemporary is with for a store in a temporary directory, without vectors.
func (s *session) withTemporary(ctx context.Context, fn func(*atocore.Store) error) error {
	dir, err := os.MkdirTemp("", "atocore-try-")
	if err != nil {
		return err
	}
	try := *s
	try.dir = dir
	try.embedder = &chosenEmbedder{spec: "none"}
	return errors.Join(try.with(ctx, creates, fn), os.RemoveAll(dir))
}

// What with does where there is no store.
const (
	reads   = false
	creates = true
)

// note prints a remark for people, on standard error.
func (s *session) note(format string, args ...any) {
	if !s.quiet {
		fmt.Fprintln(s.stderr, safe(fmt.Sprintf(format, args...)))
	}
}

func join[T ~string](values []T) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(v))
	}
	return b.String()
}

// The words of the vocabulary, for help, completion and refusal before a store
// is opened. The library has the last word on them.
var (
	memoryTypes = []atocore.MemoryType{
		atocore.Identity, atocore.Preference, atocore.ProjectMemory,
		atocore.Episodic, atocore.Knowledge, atocore.Adaptation,
	}
	statuses = []atocore.Status{atocore.Candidate, atocore.Active, atocore.Superseded, atocore.Invalid}
	kinds    = []atocore.Kind{atocore.KindMemory, atocore.KindState, atocore.KindChunk, atocore.KindInteraction}
)

// allStatuses is what --status=all stands for.
const allStatuses = "all"

func statusesOf(flags []string) []atocore.Status {
	var out []atocore.Status
	for _, f := range flags {
		if f == allStatuses {
			return statuses
		}
		out = append(out, atocore.Status(f))
	}
	return out
}
