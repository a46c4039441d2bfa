package embedders

import (
	"github.com/atocore/atocore/adapters/embedders/openai"
	"github.com/atocore/atocore/adapters/embedders/static"
)

// A Parsed is what a line says.
type Parsed struct {
	Static string
	Tokens static.Options
	OpenAI openai.Options
	Key    string
}

// Parse is parse.
func Parse(spec string) (Parsed, error) {
	p, err := parse(spec)
	if err != nil {
		return Parsed{}, err
	}
	return Parsed{Static: p.dir, Tokens: p.static, OpenAI: p.openai, Key: p.key}, nil
}
