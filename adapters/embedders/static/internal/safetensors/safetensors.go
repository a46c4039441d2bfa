// Package safetensors reads the safetensors format: eight bytes with the length
// of a header, the header in JSON, and the tensors' bytes behind it, each where
// the header says. https://github.com/huggingface/safetensors describes it.
//
// A file is somebody else's: Parse checks all that the header says against the
// bytes that are there, and refuses a file whose tensors overlap, leave holes,
// or are not as long as their shape and type make them.
package safetensors

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// MaxHeader bounds the header, in bytes. A model of a few tensors has some
// hundred.
const MaxHeader = 8 << 20

// A Tensor is one array of numbers, little endian, the last dimension in a row.
type Tensor struct {
	DType string // F32, F16, …
	Shape []int
	Data  []byte // part of what was parsed, not a copy
}

// sizes are the bytes that a number takes.
var sizes = map[string]int{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1,
	"I16": 2, "U16": 2, "F16": 2, "BF16": 2,
	"I32": 4, "U32": 4, "F32": 4,
	"I64": 8, "U64": 8, "F64": 8,
}

// Size is how many bytes a number of the type takes, or 0 for a type that there
// is not.
func Size(dtype string) int { return sizes[dtype] }

// Parse finds the tensors of a file, by name.
func Parse(file []byte) (map[string]Tensor, error) {
	header, data, err := cut(file)
	if err != nil {
		return nil, err
	}
	entries, err := decode(header)
	if err != nil {
		return nil, err
	}
	out := make(map[string]Tensor, len(entries))
	type span struct{ from, to uint64 }
	var spans []span
	for name, e := range entries {
		t, err := e.tensor(data)
		if err != nil {
			return nil, fmt.Errorf("tensor %.60q: %w", name, err)
		}
		out[name] = t
		spans = append(spans, span{e.Offsets[0], e.Offsets[1]})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	end := uint64(0)
	for _, s := range spans {
		if s.from != end {
			return nil, fmt.Errorf("tensors overlap or leave a hole at byte %d of the data", min(s.from, end))
		}
		end = s.to
	}
	if end != uint64(len(data)) {
		return nil, fmt.Errorf("the tensors take %d bytes, and there are %d", end, len(data))
	}
	return out, nil
}

// cut separates header and data.
func cut(file []byte) (header, data []byte, err error) {
	if len(file) < 8 {
		return nil, nil, errors.New("too short to be a safetensors file")
	}
	n := binary.LittleEndian.Uint64(file)
	if n > MaxHeader || n > uint64(len(file)-8) {
		return nil, nil, fmt.Errorf("the header is said to have %d bytes: the file is cut off, or no safetensors file", n)
	}
	return file[8 : 8+n], file[8+n:], nil
}

// An entry is what the header says of a tensor.
type entry struct {
	DType   string   `json:"dtype"`
	Shape   []uint64 `json:"shape"`
	Offsets []uint64 `json:"data_offsets"`
}

func decode(header []byte) (map[string]entry, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(header, &raw); err != nil {
		return nil, errors.New("the header is not JSON")
	}
	delete(raw, "__metadata__") // words for people
	out := make(map[string]entry, len(raw))
	for name, r := range raw {
		var e entry
		if err := json.Unmarshal(r, &e); err != nil || len(e.Offsets) != 2 || e.Shape == nil {
			return nil, fmt.Errorf("tensor %.60q: the header does not say type, shape and place", name)
		}
		out[name] = e
	}
	return out, nil
}

// tensor finds the bytes, and checks that they are as many as type and shape
// want.
func (e *entry) tensor(data []byte) (Tensor, error) {
	size := uint64(Size(e.DType))
	if size == 0 {
		return Tensor{}, fmt.Errorf("type %.20q is not known", e.DType)
	}
	from, to := e.Offsets[0], e.Offsets[1]
	if from > to || to > uint64(len(data)) {
		return Tensor{}, fmt.Errorf("bytes %d to %d are outside the file's %d", from, to, len(data))
	}
	want := size
	shape := make([]int, len(e.Shape))
	for i, n := range e.Shape {
		if n > math.MaxInt32 || (n != 0 && want > math.MaxInt64/n) {
			return Tensor{}, fmt.Errorf("shape %v is too large", e.Shape)
		}
		want *= n
		shape[i] = int(n)
	}
	if want != to-from {
		return Tensor{}, fmt.Errorf("%s %v takes %d bytes, and has %d", e.DType, e.Shape, want, to-from)
	}
	return Tensor{DType: e.DType, Shape: shape, Data: data[from:to:to]}, nil
}
