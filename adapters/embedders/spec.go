package embedders

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/embedders/openai"
	"github.com/atocore/atocore/adapters/embedders/static"
)

type kind int

const (
	kindDefault kind = iota
	kindNone
	kindStatic
	kindOpenAI
)

// parsed is a line, understood.
type parsed struct {
	kind   kind
	dir    string // of kindStatic
	static static.Options
	openai openai.Options
	key    string // the name of the variable, or empty
}

// Check reports what is wrong with a line as far as it can be seen without
// looking at files, environment and network: an error that matches
// [atocore.ErrInvalid], or nil.
func Check(spec string) error {
	_, err := parse(spec)
	return err
}

// invalid is the error of a line.
func invalid(reason, hint string) error {
	return &atocore.InvalidError{Field: "embedder", Reason: reason, Hint: hint}
}

func parse(spec string) (*parsed, error) {
	switch spec {
	case "", "default":
		return &parsed{kind: kindDefault}, nil
	case "none":
		return &parsed{kind: kindNone}, nil
	}
	scheme, rest, ok := strings.Cut(spec, ":")
	const forms = "use default, none, static:DIR, openai:MODEL or openai:MODEL@URL"
	if !ok {
		return nil, invalid(fmt.Sprintf("%.60q is none of the embedders", spec), forms)
	}
	switch scheme {
	case "static":
		return parseStatic(rest)
	case "openai":
		return parseOpenAI(rest)
	case "http", "https":
		return nil, invalid(fmt.Sprintf("%.60q is an address without a model", spec), "use openai:MODEL@URL")
	}
	return nil, invalid(fmt.Sprintf("there is no embedder %.40q", scheme+":"), forms)
}

// cutOptions separates the options, which are behind the last question mark, for
// folders whose name has one.
func cutOptions(rest string) (string, url.Values, error) {
	at := strings.LastIndexByte(rest, '?')
	if at < 0 {
		return rest, nil, nil
	}
	values, err := url.ParseQuery(rest[at+1:])
	if err != nil {
		return "", nil, invalid(fmt.Sprintf("its options, %.80q, cannot be read", rest[at+1:]), `write name=value with & between, a space as +, and the signs + & % as %2B %26 %25`)
	}
	return rest[:at], values, nil
}

func parseStatic(rest string) (*parsed, error) {
	dir, values, err := cutOptions(rest)
	if err != nil {
		return nil, err
	}
	if dir == "" {
		return nil, invalid("static: names no folder", "use static:DIR")
	}
	p := &parsed{kind: kindStatic, dir: dir}
	return p, read(values, map[string]func(string) error{
		"max-tokens": number(&p.static.MaxTokens, 1, 1<<20),
	})
}

func parseOpenAI(rest string) (*parsed, error) {
	name, values, err := cutOptions(rest)
	if err != nil {
		return nil, err
	}
	p := &parsed{kind: kindOpenAI}
	o := &p.openai
	o.Model = name
	// A model's name may have an @ in it, and a URL may not: see openai.New.
	if at := max(strings.LastIndex(name, "@http://"), strings.LastIndex(name, "@https://")); at >= 0 {
		o.Model, o.BaseURL = name[:at], name[at+1:]
	} else if strings.Contains(name, "://") {
		return nil, invalid(fmt.Sprintf("openai: %.80q has no model before the address, or one that is not http or https", name), "use openai:MODEL@URL")
	}
	if o.Model == "" {
		return nil, invalid("openai: names no model", "use openai:MODEL or openai:MODEL@URL")
	}
	if strings.ContainsAny(o.BaseURL, "?#") {
		return nil, invalid(fmt.Sprintf("openai: the address %.80q has a query of its own", o.BaseURL), "write options only, behind one ?")
	}
	if o.BaseURL == "" {
		p.key = "OPENAI_API_KEY"
	}
	shorten := true
	err = read(values, map[string]func(string) error{
		"dimensions":         number(&o.Dimensions, 1, atocore.MaxDimensions),
		"request-dimensions": truth(&o.RequestDimensions),
		"query-prefix":       text(&o.QueryPrefix),
		"document-prefix":    text(&o.DocumentPrefix),
		"key":                text(&p.key),
		"key-over-http":      truth(&o.AllowKeyOverHTTP),
		"batch":              number(&o.Batch, 1, 4096),
		"batch-bytes":        number(&o.BatchBytes, 1, 64<<20),
		"timeout":            duration(&o.Timeout),
		"retries":            number(&o.Retries, 0, 20),
		"shorten":            truth(&shorten),
	})
	o.NoShorten = !shorten
	if values.Has("retries") && o.Retries == 0 {
		o.Retries = -1
	}
	return p, err
}

// read gives each option to its reader.
func read(values url.Values, readers map[string]func(string) error) error {
	for _, name := range sorted(values) {
		reader, ok := readers[name]
		if !ok {
			return invalid(fmt.Sprintf("there is no option %.40q", name), "there are "+strings.Join(sorted(readers), ", "))
		}
		if len(values[name]) > 1 {
			return invalid(fmt.Sprintf("the option %s is there %d times", name, len(values[name])), "")
		}
		if err := reader(values[name][0]); err != nil {
			return invalid(fmt.Sprintf("the option %s=%.60q %v", name, values[name][0], err), "")
		}
	}
	return nil
}

func sorted[T any](m map[string]T) []string {
	var out []string
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func number(to *int, bottom, top int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < bottom || n > top {
			return fmt.Errorf("is no number from %d to %d", bottom, top)
		}
		*to = n
		return nil
	}
}

func truth(to *bool) func(string) error {
	return func(s string) (err error) {
		if *to, err = strconv.ParseBool(s); err != nil {
			return fmt.Errorf("is neither true nor false")
		}
		return nil
	}
}

func text(to *string) func(string) error {
	return func(s string) error {
		*to = s
		return nil
	}
}

func duration(to *time.Duration) func(string) error {
	return func(s string) (err error) {
		if *to, err = time.ParseDuration(s); err != nil || *to <= 0 {
			return fmt.Errorf("is no time such as 30s or 2m")
		}
		return nil
	}
}
