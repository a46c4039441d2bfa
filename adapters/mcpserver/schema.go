package mcpserver

import (
	"reflect"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/atocore/atocore"
)

// The words that arguments may be. The library has the last word on them.
var (
	memoryTypes = []any{
		atocore.Identity, atocore.Preference, atocore.ProjectMemory,
		atocore.Episodic, atocore.Knowledge, atocore.Adaptation,
	}
	kinds   = []any{atocore.KindMemory, atocore.KindState, atocore.KindChunk, atocore.KindInteraction}
	actions = []any{actionList, actionSet, actionUnset}
)

// inputSchema describes the arguments of type T, exactly: what is not in it is
// refused, so that a misspelt argument is not without effect and without a word.
func inputSchema[T any]() *jsonschema.Schema {
	s := schemaOf[T](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[atocore.MemoryType](): {Type: "string", Enum: memoryTypes},
		reflect.TypeFor[atocore.Kind]():       {Type: "string", Enum: kinds},
		reflect.TypeFor[action]():             {Type: "string", Enum: actions},
	}})
	trim(s)
	return s
}

// outputSchema describes results of type T. It leaves open what else may be in
// them and what may be missing, which is shorter, and what later versions need.
func outputSchema[T any]() *jsonschema.Schema {
	s := schemaOf[T](nil)
	trim(s)
	open(s)
	return s
}

func schemaOf[T any](o *jsonschema.ForOptions) *jsonschema.Schema {
	s, err := jsonschema.For[T](o)
	if err != nil {
		panic(err) // a type of this package that cannot be described
	}
	return s
}

// trim leaves null out of the types: nothing here is null.
func trim(s *jsonschema.Schema) {
	if i := slices.Index(s.Types, "null"); i >= 0 && len(s.Types) == 2 {
		s.Type, s.Types = s.Types[1-i], nil
	}
	each(s, trim)
}

func open(s *jsonschema.Schema) {
	if len(s.Properties) > 0 {
		s.AdditionalProperties, s.Required = nil, nil
	}
	each(s, open)
}

// each calls fn for the schemas right inside s.
func each(s *jsonschema.Schema, fn func(*jsonschema.Schema)) {
	for _, p := range s.Properties {
		fn(p)
	}
	if s.Items != nil {
		fn(s.Items)
	}
}

// upTo bounds a number from 1 on, and says what it is where it is not given.
func upTo(s *jsonschema.Schema, property string, most float64, otherwise string) {
	least := 1.0
	p := s.Properties[property]
	p.Minimum, p.Maximum = &least, &most
	p.Default = []byte(otherwise)
}
