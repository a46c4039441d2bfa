package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// settings gives flags the values that the command line does not: from the
// environment first, then from the configuration file.
type settings struct {
	getenv func(string) string
	home   string
	path   string
	values map[string]any
	json   bool     // what the file says of --json, be the rest of it right or not
	given  []string // flags that got their value here
	off    bool     // whether to give none: what is wrong here is no concern of --help
}

// read reads the configuration file, ATOCORE_CONFIG or config.yaml in the
// platform's configuration directory.
func (c *settings) read(dirs locations) error {
	c.path = c.getenv("ATOCORE_CONFIG")
	named := c.path != ""
	if !named {
		if dirs.config == "" {
			return nil
		}
		c.path = filepath.Join(dirs.config, "config.yaml")
	}
	values, err := readConfig(c.path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil
	}
	if err != nil {
		return &usageError{reason: "configuration: " + err.Error()}
	}
	c.json = text(values["json"]) == "true"
	c.values = values // also with unknown ones, which are an error for all but hooks
	return nil
}

// check refuses keys that no flag has.
func (c *settings) check(app *kong.Application) error {
	if unknown := unknownKeys(app.Node, c.values, ""); len(unknown) > 0 {
		slices.Sort(unknown)
		return &usageError{reason: fmt.Sprintf("configuration: %s: unknown key %s", c.path, strings.Join(unknown, ", "))}
	}
	return nil
}

func readConfig(name string) (map[string]any, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// Nobody writes so long a configuration; a device or a database is not one.
	src, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, err
	}
	var values map[string]any
	if err := yaml.Unmarshal(src, &values); err != nil {
		return nil, fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return values, nil
}

// Validate implements kong.Resolver.
func (c *settings) Validate(*kong.Application) error { return nil }

// variables are the environment's words for flags.
var variables = map[string]string{
	"data": "ATOCORE_DATA", "backups": "ATOCORE_BACKUPS",
	"embedder": "ATOCORE_EMBEDDER", "embedding-cache": "ATOCORE_EMBEDDING_CACHE",
	"addr": "ATOCORE_ADDR", "socket": "ATOCORE_SOCKET", "token-file": "ATOCORE_TOKEN_FILE",
	"checkpoint-every": "ATOCORE_CHECKPOINT_EVERY", "snapshot-every": "ATOCORE_SNAPSHOT_EVERY", "validate-every": "ATOCORE_VALIDATE_EVERY",
	"prune-every": "ATOCORE_PRUNE_EVERY", "drill-every": "ATOCORE_DRILL_EVERY", "drill-scratch": "ATOCORE_DRILL_SCRATCH",
	"keep-last": "ATOCORE_KEEP_LAST", "keep-hourly": "ATOCORE_KEEP_HOURLY", "keep-daily": "ATOCORE_KEEP_DAILY", "keep-weekly": "ATOCORE_KEEP_WEEKLY",
	"keep-monthly": "ATOCORE_KEEP_MONTHLY", "keep-yearly": "ATOCORE_KEEP_YEARLY", "keep-within": "ATOCORE_KEEP_WITHIN",
}

// places are the flags that name a directory or file.
var places = []string{"data", "backups", "embedding-cache", "token-file", "socket", "drill-scratch"}

// Resolve implements kong.Resolver.
func (c *settings) Resolve(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	if c.off {
		return nil, nil
	}
	variable, isGlobal := variables[flag.Name]
	if value := c.getenv(variable); isGlobal && value != "" {
		if !utf8.ValidString(value) { // see checkUTF8
			return nil, fmt.Errorf("%s, %q, is not UTF-8", variable, value)
		}
		return value, nil
	}
	values := c.values
	for _, name := range commandPath(parent.Node()) {
		next, ok := values[name].(map[string]any)
		if !ok {
			return nil, nil
		}
		values = next
	}
	v, ok := values[flag.Name]
	if !ok {
		return nil, nil
	}
	if s, ok := v.(string); ok && slices.Contains(places, flag.Name) {
		v = c.expand(s)
	}
	c.given = append(c.given, flag.Name)
	return text(v), nil
}

// blame adds to a complaint about a flag that the file gave its value.
func (c *settings) blame(reason string) string {
	for _, name := range c.given {
		if strings.HasPrefix(reason, "--"+name+":") || strings.HasPrefix(reason, "--"+name+" ") {
			return reason + ", in " + c.path
		}
	}
	return reason
}

// expand puts the home directory for a leading tilde, which no shell does for
// a value in a file.
func (c *settings) expand(dir string) string {
	if rest, ok := strings.CutPrefix(dir, "~/"); ok && c.home != "" {
		return filepath.Join(c.home, rest)
	}
	return dir
}

// text puts a value in the form that it would have on the command line.
func text(v any) any {
	if list, ok := v.([]any); ok {
		out := make([]any, len(list))
		for i, e := range list {
			out[i] = text(e)
		}
		return out
	}
	return fmt.Sprint(v)
}

func commandPath(node *kong.Node) []string {
	var path []string
	for n := node; n != nil && n.Parent != nil; n = n.Parent {
		path = append(path, n.Name)
	}
	slices.Reverse(path)
	return path
}

// unknownKeys names every key that no flag has, since a misspelt one would
// otherwise be without effect and without a word.
func unknownKeys(node *kong.Node, values map[string]any, prefix string) []string {
	var unknown []string
	for key, value := range values {
		if slices.ContainsFunc(node.Flags, func(f *kong.Flag) bool { return f.Name == key && settable(f) }) {
			continue
		}
		i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == key && !n.Hidden })
		below, isMap := value.(map[string]any)
		if i < 0 || (!isMap && value != nil) {
			unknown = append(unknown, prefix+key)
			continue
		}
		unknown = append(unknown, unknownKeys(node.Children[i], below, prefix+key+".")...)
	}
	return unknown
}

// settable excludes what is meant for one call: help, and a confirmation that
// a file would give for good.
func settable(f *kong.Flag) bool {
	switch f.Name {
	case "help", "yes", "dry-run", "confirm-service-stopped":
		return false
	}
	return true
}
