package hooks

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/atocore/atocore"
)

// An Agent is a coding agent whose hooks atocore can answer.
type Agent struct {
	Name  string // on the command line, and the client of its interactions
	Title string // for people

	fields fields
	events events

	// settings is where its settings file is, by scope.
	settings map[string]func(Place) string

	// lastTurn reads a transcript from its end. answer is the last message, where
	// the agent says.
	lastTurn func(ctx context.Context, f io.ReaderAt, size int64, answer string) (Turn, bool, error)
}

// Fields are the names of what a payload holds.
type fields struct{ event, session, transcript, dir, subagent, prompt, answer string }

// Events are the names of what a hook is for, and what else comes to the same hook
// and is left alone.
type events struct {
	stop, prompt string
	ignored      []string
}

// A Place says where settings files are looked for.
type Place struct {
	Home   string // the user's home directory; empty where there is none
	Root   string // of the project
	Getenv func(string) string
}

// The scopes of a settings file.
const (
	User    = "user"    // for all that the user does; the default
	Project = "project" // for everybody who works in the project
	Local   = "local"   // for the user in the project
)

// agents is the table. A further agent is a row.
var agents = []Agent{
	{
		Name:  "claude-code",
		Title: "Claude Code",
		fields: fields{
			event: "hook_event_name", session: "session_id", transcript: "transcript_path", dir: "cwd",
			subagent: "agent_id", prompt: "prompt", answer: "last_assistant_message",
		},
		events: events{stop: "Stop", prompt: "UserPromptSubmit", ignored: []string{"SubagentStop", "SubagentStart"}},
		settings: map[string]func(Place) string{
			User: func(p Place) string {
				dir := p.Getenv("CLAUDE_CONFIG_DIR")
				if dir == "" && p.Home != "" {
					dir = filepath.Join(p.Home, ".claude")
				}
				return under(dir, "settings.json")
			},
			Project: func(p Place) string { return under(p.Root, ".claude", "settings.json") },
			Local:   func(p Place) string { return under(p.Root, ".claude", "settings.local.json") },
		},
		lastTurn: lastTurn,
	},
}

func under(dir string, elem ...string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(append([]string{dir}, elem...)...)
}

// Agents are the names of the agents that are known.
func Agents() []string {
	var out []string
	for i := range agents {
		out = append(out, agents[i].Name)
	}
	return out
}

func findAgent(name string) (*Agent, error) {
	if name == "" {
		return &agents[0], nil
	}
	i := slices.IndexFunc(agents, func(a Agent) bool { return a.Name == name })
	if i < 0 {
		return nil, &atocore.InvalidError{Field: "agent", Reason: fmt.Sprintf("%q is not known", name), Hint: "use " + strings.Join(Agents(), ", ")}
	}
	return &agents[i], nil
}
