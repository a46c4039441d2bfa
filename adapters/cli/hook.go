package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/hooks"
)

type hookCmd struct {
	Stop      hookStopCmd      `cmd:"" help:"Keep the last turn of an agent's session; the agent runs it."`
	Prompt    hookPromptCmd    `cmd:"" help:"Give an agent's prompt its context; the agent runs it."`
	Install   hookInstallCmd   `cmd:"" help:"Put the hooks into an agent's settings."`
	Uninstall hookUninstallCmd `cmd:"" help:"Take the hooks out of an agent's settings."`
}

// hookFlags are common to what the agent runs.
type hookFlags struct {
	Agent   string `enum:"${agents}" default:"claude-code" placeholder:"A" help:"Whose hook it is: ${ofagent}. The default is ${default}."`
	Project string `placeholder:"P" help:"The project of what is said (ATOCORE_PROJECT). The default is that of the working directory."`
}

func (f *hookFlags) config(s *session) hooks.Config {
	return hooks.Config{Agent: f.Agent, Dir: s.dir, Project: cmp.Or(f.Project, s.getenv("ATOCORE_PROJECT")), Open: s.openForHook}
}

type hookStopCmd struct{ hookFlags }

func (hookStopCmd) Help() string {
	return `Reads the JSON of the agent's Stop hook from standard input. Prints nothing and exits with 0, whatever happens: hooks/hook.log in the data directory has the details. What is kept, and what never is, is in docs/capture.md.` + examples(
		`atocore hook stop < payload.json`,
	)
}

func (c *hookStopCmd) Run(ctx context.Context, s *session) error {
	_ = hooks.Stop(ctx, c.config(s), s.stdin) // it is in the log
	return nil
}

type hookPromptCmd struct {
	hookFlags
	Budget       int     `placeholder:"N" help:"How many tokens the context may take. The default is 1000."`
	MinRelevance float64 `placeholder:"R" help:"How relevant to the prompt, from 0 to 1, something has to be for the hook to speak. The default is 0.35."`
}

func (hookPromptCmd) Help() string {
	return `Reads the JSON of the agent's UserPromptSubmit hook from standard input and prints the JSON that the agent takes a context from; nothing where nothing is relevant enough, and where anything is amiss. Exits with 0, whatever happens.` + examples(
		`atocore hook prompt --budget 600 < payload.json`,
	)
}

func (c *hookPromptCmd) Run(ctx context.Context, s *session) error {
	config := c.config(s)
	config.Budget, config.MinRelevance = c.Budget, c.MinRelevance
	answer, err := hooks.Prompt(ctx, config, s.stdin)
	if err == nil {
		_, err = s.out.Write(answer)
	}
	_ = err // it is in the log
	return nil
}

// openForHook opens the store for a hook, which must not wait for anybody: with no
// embedder where that is another one than the built-in and texts are to be stored,
// which then wait for their vectors.
func (s *session) openForHook(ctx context.Context, create bool, logger *slog.Logger) (*atocore.Store, error) {
	o := s.options()
	o.NoCreate, o.Logger, o.Actor = !create, logger, "hook"
	if spec := s.embedder.spec; create && spec != "" && spec != "default" {
		o.NoEmbedder = true
	} else if err := s.withEmbedder(ctx, o); err != nil {
		o.Embedder, o.NoEmbedder = nil, true
	}
	return atocore.Open(ctx, s.dir, o)
}

// runsAsHook reports whether an agent runs one of its hooks, rather than a person
// who wants to read what is wrong.
func runsAsHook(args []string, stdin io.Reader) bool {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "--data", "--backups", "--embedder", "--embedding-cache": // with a value
			args = args[1:]
		}
		args = args[min(1, len(args)):]
	}
	if len(args) == 0 || args[0] != "hook" || isTerminal(stdin) {
		return false
	}
	has := func(word string) bool { return slices.Contains(args, word) } // flags may stand before it
	return (has("stop") || has("prompt")) && !has("install") && !has("uninstall")
}

// isHook reports whether the command is one that an agent runs.
func isHook(command *kong.Context) bool {
	if command == nil { // help was printed instead
		return false
	}
	n := command.Selected()
	return n != nil && n.Parent != nil && n.Parent.Name == "hook" && (n.Name == "stop" || n.Name == "prompt")
}

// settingsFlags say which settings file is meant.
type settingsFlags struct {
	Agent    string `enum:"${agents}" default:"claude-code" placeholder:"A" help:"Whose settings: ${ofagent}. The default is ${default}."`
	Scope    string `enum:"user,project,local" default:"user" placeholder:"S" help:"Which of its settings files: user, project or local. The default is ${default}."`
	Settings string `placeholder:"FILE" help:"The settings file, in place of the scope's."`
	Yes      bool   `help:"Write it. Without it the difference is shown, and a terminal is asked."`
	DryRun   bool   `help:"Show the difference and write nothing."`
}

type hookInstallCmd struct {
	settingsFlags
	Program string `placeholder:"FILE" help:"The atocore that the agent is to run. The default is this one."`
}

func (hookInstallCmd) Help() string {
	return `Adds a Stop and a UserPromptSubmit hook to the agent's settings file and leaves everything else in it as it is. The file as it was is kept beside it. Run again, it changes nothing, or puts in order what has moved. With --data, or where the data directory is configured, the hooks use that one.` + examples(
		`atocore hook install --program /usr/local/bin/atocore --dry-run`,
		`atocore hook install --program /usr/local/bin/atocore --scope local --yes`,
	)
}

func (c *hookInstallCmd) Run(ctx context.Context, s *session) error {
	r, err := c.request(s)
	if err != nil {
		return err
	}
	if r.Program, err = programPath(c.Program); err != nil {
		return err
	}
	if s.told {
		dir, err := filepath.Abs(s.dir)
		if err != nil {
			return err
		}
		r.Args = []string{"--data", dir}
	}
	change, err := hooks.Install(r)
	if err != nil {
		return err
	}
	return c.carryOut(ctx, s, "install", &change)
}

type hookUninstallCmd struct {
	settingsFlags
	Program string `placeholder:"FILE" help:"The atocore that the agent runs, where its name does not begin so. The default is this one."`
}

func (hookUninstallCmd) Help() string {
	return `Takes atocore's hooks, and nothing else, out of the agent's settings file. The file as it was is kept beside it. What has been captured stays.` + examples(
		`atocore hook uninstall --yes`,
	)
}

func (c *hookUninstallCmd) Run(ctx context.Context, s *session) error {
	r, err := c.request(s)
	if err != nil {
		return err
	}
	if c.Program == "" {
		r.Program, _ = os.Executable() // which is known by its name mostly
	} else if r.Program, err = filepath.Abs(c.Program); err != nil {
		return err
	}
	change, err := hooks.Uninstall(r)
	if err != nil {
		return err
	}
	return c.carryOut(ctx, s, "uninstall", &change)
}

func (c *settingsFlags) request(s *session) (hooks.Request, error) {
	dir, err := os.Getwd()
	if err != nil {
		return hooks.Request{}, err
	}
	root := dir
	if w, err := atocore.FindWorkspace(dir); err == nil && w.Root != "" {
		root = w.Root
	}
	return hooks.Request{
		Agent: c.Agent, Scope: c.Scope, File: c.Settings,
		Place: hooks.Place{Home: s.home, Root: root, Getenv: s.getenv},
	}, nil
}

// programPath is the atocore that an agent is to run: one that will still be there.
func programPath(name string) (string, error) {
	if name != "" {
		return filepath.Abs(name)
	}
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	if strings.Contains(exe, string(filepath.Separator)+"go-build") {
		return "", &atocore.InvalidError{
			Field:  "program",
			Reason: "this one is temporary: go run removes it when it ends",
			Hint:   "install it with go install ./cmd/atocore and run that, or name one with --program",
		}
	}
	return exe, nil
}

// carryOut shows the change, and writes it where that is confirmed.
func (c *settingsFlags) carryOut(ctx context.Context, s *session, verb string, change *hooks.Change) error {
	doc := struct {
		Agent    string `json:"agent"`
		Settings string `json:"settings"`
		Changed  bool   `json:"changed"`
		DryRun   bool   `json:"dry_run"`
		Diff     string `json:"diff"`
		Backup   string `json:"backup,omitempty"` // of the settings as they were
	}{Agent: c.Agent, Settings: change.File, Changed: change.Changed(), DryRun: c.DryRun, Diff: change.Diff()}
	if doc.Changed && !c.DryRun {
		if !c.Yes {
			fmt.Fprint(s.stderr, safeLines(doc.Diff))
			if !isTerminal(s.stdin) {
				return &usageError{command: "atocore hook " + verb, reason: "it changes " + change.File + ": confirm with --yes"}
			}
			if !s.confirm(ctx, "Write "+change.File+"?") {
				return &usageError{command: "atocore hook " + verb, reason: "not confirmed: nothing was changed"}
			}
		}
		var err error
		if doc.Backup, err = change.Write(); err != nil {
			return err
		}
	}
	return s.out.put(doc, func() {
		switch {
		case !doc.Changed:
			s.out.line("%s: nothing to do", doc.Settings)
			return
		case c.DryRun || c.Yes:
			s.out.block(doc.Diff)
		}
		if c.DryRun {
			s.note("nothing was written")
			return
		}
		s.out.line("%s: written", doc.Settings)
		if doc.Backup != "" {
			s.out.line("%s: as it was", doc.Backup)
		}
		if verb == "install" {
			s.note("sessions that are running take the hooks up when they are started again")
		}
	})
}

// safeLines is safe for text of several lines.
func safeLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = safe(strings.ReplaceAll(l, "\t", "    "))
	}
	return strings.Join(lines, "\n")
}

// confirm asks on the terminal.
func (s *session) confirm(ctx context.Context, question string) bool {
	fmt.Fprintf(s.stderr, "%s [y/N] ", safe(question))
	answer := make(chan string, 1)
	go func() { // a read from a terminal cannot be interrupted
		var line string
		_, _ = fmt.Fscanln(s.stdin, &line) // no answer is no
		answer <- line
	}()
	select {
	case <-ctx.Done():
		return false
	case a := <-answer:
		a = strings.ToLower(a)
		return a == "y" || a == "yes"
	}
}
