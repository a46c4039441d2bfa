package hooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/atocore/atocore"
)

// maxSettings bounds a settings file.
const maxSettings = 8 << 20

// hookTimeout is how long the agent is to wait for a hook, in seconds. Hooks have
// deadlines of their own, which are shorter.
const hookTimeout = 30

// A Request says where atocore's hooks are to be, or not to be.
type Request struct {
	Agent string // a name of Agents; empty is the first
	Scope string // User, Project or Local; empty is User. Not with File.
	File  string // the settings file, where it is another
	Place Place

	// Program is what the hooks run, as an absolute path. Args come behind
	// "hook stop" and "hook prompt". Hooks that run it, or a program whose name begins
	// with atocore, are atocore's.
	Program string
	Args    []string
}

// A Change is what is to become of a settings file.
type Change struct {
	Agent  string // its title
	File   string
	Before []byte // nil where there is no file yet
	After  []byte
}

// Install plans to have the agent run atocore's hooks. What else is in the settings
// stays to the byte. Hooks of atocore that are there already, of another path, say,
// become these.
func Install(r Request) (Change, error) { return r.plan(true) }

// Uninstall plans to take atocore's hooks out again, and nothing else.
func Uninstall(r Request) (Change, error) { return r.plan(false) }

// Changed reports whether there is anything to do.
func (c *Change) Changed() bool { return string(c.Before) != string(c.After) }

// Diff is the difference, as a unified diff.
func (c *Change) Diff() string { return string(diff.Diff(c.File, c.Before, c.File, c.After)) }

func (r *Request) plan(install bool) (Change, error) {
	agent, err := findAgent(r.Agent)
	if err != nil {
		return Change{}, err
	}
	c := Change{Agent: agent.Title, File: r.File}
	if c.File == "" {
		scope := r.Scope
		if scope == "" {
			scope = User
		}
		where, ok := agent.settings[scope]
		if !ok {
			return Change{}, &atocore.InvalidError{Field: "scope", Reason: fmt.Sprintf("%q is not known", scope), Hint: "use user, project or local"}
		}
		if c.File = where(r.Place); c.File == "" {
			return Change{}, &atocore.InvalidError{Field: "scope", Reason: "there is no directory for it", Hint: "name the file with --settings"}
		}
	}
	if c.File, err = filepath.Abs(c.File); err != nil {
		return Change{}, err
	}
	if c.Before, err = readSettings(c.File); err != nil {
		return Change{}, err
	}
	text := c.Before
	if strings.TrimSpace(string(text)) == "" {
		if c.After = c.Before; !install {
			return c, nil
		}
		text = []byte("{}\n")
	}
	bom := text[:len(text)-len(bytes.TrimPrefix(text, byteOrderMark))]
	d, err := parseDocument(text[len(bom):])
	if err != nil {
		return Change{}, &atocore.InvalidError{Field: c.File, Reason: "is not valid JSON: " + err.Error(), Hint: "repair it first; nothing was changed"}
	}
	for _, e := range []struct{ event, verb string }{{agent.events.stop, "stop"}, {agent.events.prompt, "prompt"}} {
		command := ""
		if install {
			command = shellLine(append([]string{r.Program, "hook", e.verb}, r.Args...))
		}
		if err := r.edit(d, e.event, e.verb, command); err != nil {
			return Change{}, &atocore.InvalidError{Field: c.File, Reason: err.Error(), Hint: "repair it first; nothing was changed"}
		}
	}
	c.After = append(bom[:len(bom):len(bom)], d.src...)
	return c, nil
}

// byteOrderMark is what some editors begin a file with.
var byteOrderMark = []byte("\xef\xbb\xbf")

func readSettings(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSettings {
		return nil, &atocore.InvalidError{Field: name, Reason: "is not a settings file"}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxSettings))
	if src == nil {
		src = []byte{}
	}
	return src, err
}

type handler struct {
	Type    string `json:"type"`
	Command string `json:"command"`
	Timeout int    `json:"timeout"`
}

type matcher struct {
	Hooks []handler `json:"hooks"`
}

// edit has the event run the command, once, or where it is empty none of atocore's.
func (r *Request) edit(d *document, event, verb, command string) error {
	for kept := false; ; {
		at, err := r.find(d, event, verb, kept)
		if err != nil {
			return err
		}
		switch {
		case at == nil && (command == "" || kept):
			return nil
		case at == nil:
			return d.insert(event, command)
		case command == "" || kept:
			if err := d.removeHandler(event, at); err != nil {
				return err
			}
		case at.command.text == command:
			kept = true
		default:
			quoted, err := encode(command)
			if err != nil {
				return err
			}
			if err := d.replace(at.command.start, at.command.end, quoted); err != nil {
				return err
			}
			kept = true
		}
	}
}

func encode(s string) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(s)
	return strings.TrimSpace(b.String()), err
}

// A place is where a handler of atocore's stands.
type place struct {
	entry, handler int
	command        *node
}

// find finds the first of atocore's handlers of an event, or the one behind it.
func (r *Request) find(d *document, event, verb string, second bool) (*place, error) {
	if d.root.kind != '{' {
		return nil, errors.New("is not a JSON object")
	}
	hooks := d.root.at("hooks")
	if hooks == nil {
		return nil, nil
	}
	if hooks.kind != '{' {
		return nil, errors.New(`has something else than an object under "hooks"`)
	}
	entries := hooks.at(event)
	if entries == nil {
		return nil, nil
	}
	if entries.kind != '[' {
		return nil, fmt.Errorf("has something else than a list under hooks, %s", event)
	}
	for i := range entries.items {
		list := entries.items[i].at("hooks")
		if list == nil || list.kind != '[' {
			continue
		}
		for j := range list.items {
			command := list.items[j].at("command")
			if command == nil || command.kind != '"' || !r.isOwn(command.text, verb) {
				continue
			}
			if second {
				second = false
				continue
			}
			return &place{i, j, command}, nil
		}
	}
	return nil, nil
}

// isOwn reports whether a command is atocore's hook.
func (r *Request) isOwn(command, verb string) bool {
	words := shellWords(command)
	if len(words) < 3 {
		return false
	}
	base := strings.TrimSuffix(words[0][strings.LastIndexAny(words[0], `/\`)+1:], ".exe")
	if !strings.HasPrefix(base, "atocore") && words[0] != r.Program {
		return false
	}
	for i := 1; i+1 < len(words); i++ {
		if words[i] == "hook" {
			return words[i+1] == verb
		}
	}
	return false
}

func (d *document) insert(event, command string) error {
	entry := matcher{Hooks: []handler{{Type: "command", Command: command, Timeout: hookTimeout}}}
	hooks := d.root.at("hooks")
	switch {
	case hooks == nil:
		return d.add(d.root, "hooks", map[string][]matcher{event: {entry}})
	case hooks.at(event) == nil:
		return d.add(hooks, event, []matcher{entry})
	default:
		return d.add(hooks.at(event), "", entry)
	}
}

// removeHandler takes a handler out, and what is empty without it.
func (d *document) removeHandler(event string, at *place) error {
	hooks := d.root.at("hooks")
	entries := hooks.at(event)
	handlers := entries.items[at.entry].at("hooks")
	switch {
	case len(handlers.items) > 1:
		return d.remove(handlers, at.handler)
	case len(entries.items) > 1:
		return d.remove(entries, at.entry)
	case len(hooks.items) > 1:
		return d.remove(hooks, hooks.index(event))
	default:
		return d.remove(d.root, d.root.index("hooks"))
	}
}

func (n *node) index(name string) int {
	for i := len(n.keys) - 1; i >= 0; i-- {
		if n.keys[i].name == name {
			return i
		}
	}
	return -1
}

// shellLine is a command line as a POSIX shell reads it.
func shellLine(words []string) string {
	var out []string
	for _, w := range words {
		if w == "" || strings.ContainsFunc(w, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_/.:+-@,=%", r))
		}) {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		out = append(out, w)
	}
	return strings.Join(out, " ")
}

// shellWords cuts a command line as a POSIX shell does, without what it would put
// in place of anything.
func shellWords(line string) []string {
	var words []string
	var w strings.Builder
	in, quote := false, rune(0)
	for i, escaped := 0, false; i < len(line); i++ {
		c := rune(line[i])
		switch {
		case escaped:
			w.WriteByte(line[i])
			escaped = false
		case c == '\\' && quote == 0, c == '\\' && quote == '"' && i+1 < len(line) && strings.IndexByte("$`\"\\", line[i+1]) >= 0:
			escaped, in = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, in = c, true
		case quote == 0 && strings.ContainsRune(" \t\n", c):
			if in {
				words = append(words, w.String())
			}
			w.Reset()
			in = false
		default:
			w.WriteByte(line[i])
			in = true
		}
	}
	if in {
		words = append(words, w.String())
	}
	return words
}

// Write carries the change out and returns where the settings as they were are kept,
// empty where there were none. The file is there whole before and after, whatever
// happens between; its mode stays, and where it is a link the file behind it is
// written. Write fails where the file has changed since the change was planned.
func (c *Change) Write() (backup string, err error) {
	if !c.Changed() {
		return "", nil
	}
	target, mode, err := followLinks(c.File)
	if err != nil {
		return "", err
	}
	now, err := readSettings(target)
	if err != nil {
		return "", err
	}
	if string(now) != string(c.Before) {
		return "", fmt.Errorf("%s has changed meanwhile: try again", c.File)
	}
	if c.Before == nil {
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return "", err
		}
	} else if backup, err = keepCopy(c.File, c.Before, mode); err != nil {
		return "", fmt.Errorf("keep a copy of %s: %w", c.File, err)
	}
	return backup, writeSettings(target, c.After, mode)
}

// followLinks finds the file that a name stands for, also where it is not there yet.
func followLinks(name string) (target string, mode fs.FileMode, err error) {
	const most = 40
	for range most {
		info, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return name, 0o600, nil
		}
		if err != nil {
			return "", 0, err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			return name, info.Mode().Perm(), nil
		}
		link, err := os.Readlink(name)
		if err != nil {
			return "", 0, err
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(name), link)
		}
		name = link
	}
	return "", 0, fmt.Errorf("%s is a link that leads nowhere", name)
}

// keepCopy keeps what a file holds beside it.
func keepCopy(name string, src []byte, mode fs.FileMode) (string, error) {
	stamp := name + ".atocore-backup-" + time.Now().UTC().Format("20060102T150405Z")
	for n := 1; ; n++ {
		backup := stamp
		if n > 1 {
			backup = fmt.Sprintf("%s-%d", stamp, n)
		}
		f, err := os.OpenFile(backup, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if errors.Is(err, fs.ErrExist) && n < 100 {
			continue
		}
		if err != nil {
			return "", err
		}
		return backup, fillFile(f, src)
	}
}

func fillFile(f *os.File, src []byte) error {
	_, err := f.Write(src)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// writeSettings puts a new file in the old one's place. Where that cannot be, because
// the file is a mount, it is written over; the copy is there by then.
func writeSettings(name string, src []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".atocore-*")
	if err != nil {
		return overwrite(name, src, mode, err)
	}
	err = fillFile(f, src)
	if err == nil {
		err = os.Chmod(f.Name(), mode)
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to report
		return overwrite(name, src, mode, err)
	}
	if d, err := os.Open(filepath.Dir(name)); err == nil {
		_ = d.Sync() // not every system can
		_ = d.Close()
	}
	return nil
}

// overwrite writes over a file that cannot be replaced: a mount, or one in a
// directory that cannot be written. Otherwise it returns the error that there was.
func overwrite(name string, src []byte, mode fs.FileMode, why error) error {
	if !isMount(why) && !errors.Is(why, fs.ErrPermission) {
		return why
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return why
	}
	return fillFile(f, src)
}
