package static

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/embedders/static/internal/safetensors"
)

// A table has a vector for each token.
type table struct {
	data    []byte
	dims    int
	stride  int // bytes of a row
	add1    func(row []byte, v []float32, by float32)
	rows    []int32   // of each token; nil: its own number
	weights []float32 // of each token; nil: 1
}

// names are what the tensor is called: by model2vec, by sentence-transformers,
// and by early versions.
var names = []string{"embeddings", "embedding.weight", "0"}

// newTable finds the vectors of a vocabulary of so many tokens.
func newTable(file []byte, tokens int) (table, error) {
	tensors, err := safetensors.Parse(file)
	if err != nil {
		return table{}, err
	}
	var vectors safetensors.Tensor
	found := false
	for _, name := range names {
		if vectors, found = tensors[name]; found {
			break
		}
	}
	if !found {
		return table{}, errors.New(`there is no tensor "embeddings"`)
	}
	if len(vectors.Shape) != 2 || vectors.Shape[1] < 1 || vectors.Shape[1] > atocore.MaxDimensions {
		return table{}, fmt.Errorf("the vectors have shape %v, not tokens × 1 to %d dimensions", vectors.Shape, atocore.MaxDimensions)
	}
	t := table{data: vectors.Data, dims: vectors.Shape[1]}
	t.stride = t.dims * safetensors.Size(vectors.DType)
	if t.add1 = adders[vectors.DType]; t.add1 == nil {
		return table{}, fmt.Errorf("vectors of type %s are not supported: F32, F16, BF16, F64 and I8 are", vectors.DType)
	}
	rows := vectors.Shape[0]
	if mapping, ok := tensors["mapping"]; ok {
		if t.rows, err = readMapping(mapping, tokens, rows); err != nil {
			return table{}, err
		}
	} else if tokens > rows {
		return table{}, fmt.Errorf("the tokenizer has tokens up to number %d, and there are %d vectors", tokens-1, rows)
	}
	if weights, ok := tensors["weights"]; ok {
		if t.weights, err = readWeights(weights, tokens); err != nil {
			return table{}, err
		}
	}
	return t, nil
}

// add adds a token's vector to v.
func (t *table) add(token int32, v []float32) {
	by := float32(1)
	if t.weights != nil {
		by = t.weights[token]
	}
	row := int(token)
	if t.rows != nil {
		row = int(t.rows[token])
	}
	t.add1(t.data[row*t.stride:(row+1)*t.stride], v, by)
}

// adders add a row of each type to a vector.
var adders = map[string]func(row []byte, v []float32, by float32){
	"F32": func(row []byte, v []float32, by float32) {
		for i := range v {
			v[i] += by * math.Float32frombits(binary.LittleEndian.Uint32(row[4*i:]))
		}
	},
	"F16": func(row []byte, v []float32, by float32) {
		for i := range v {
			v[i] += by * half(binary.LittleEndian.Uint16(row[2*i:]))
		}
	},
	"BF16": func(row []byte, v []float32, by float32) {
		for i := range v {
			v[i] += by * math.Float32frombits(uint32(binary.LittleEndian.Uint16(row[2*i:]))<<16)
		}
	},
	"F64": func(row []byte, v []float32, by float32) {
		for i := range v {
			v[i] += by * float32(math.Float64frombits(binary.LittleEndian.Uint64(row[8*i:])))
		}
	},
	"I8": func(row []byte, v []float32, by float32) {
		for i := range v {
			v[i] += by * float32(int8(row[i]))
		}
	},
}

// half is a 16-bit float of IEEE 754. Its exponent is moved to where a 32-bit
// float has it, and a multiplication then puts its value right, for numbers
// below the normal ones too.
func half(h uint16) float32 {
	f := math.Float32frombits(uint32(h&0x7fff)<<13) * 0x1p112
	if h&0x7c00 == 0x7c00 {
		f = float32(math.NaN()) // or infinite; no vector either
	}
	if h&0x8000 != 0 {
		return -f
	}
	return f
}

// readMapping reads each token's row.
func readMapping(m safetensors.Tensor, tokens, rows int) ([]int32, error) {
	n, size := count(m), safetensors.Size(m.DType)
	switch m.DType {
	case "I32", "I64", "U32", "U64":
	default:
		return nil, fmt.Errorf("a mapping of type %s is not supported", m.DType)
	}
	if n < tokens {
		return nil, fmt.Errorf("the mapping has %d tokens of %d", n, tokens)
	}
	out := make([]int32, n)
	for i := range out {
		raw := m.Data[i*size:]
		var row uint64
		if size == 4 {
			row = uint64(binary.LittleEndian.Uint32(raw)) // negative ones are too large then
		} else {
			row = binary.LittleEndian.Uint64(raw)
		}
		if row >= uint64(rows) {
			return nil, fmt.Errorf("the mapping has token %d in row %d of %d", i, int64(row), rows)
		}
		out[i] = int32(row)
	}
	return out, nil
}

// readWeights reads each token's factor.
func readWeights(w safetensors.Tensor, tokens int) ([]float32, error) {
	add, n := adders[w.DType], count(w)
	if add == nil || w.DType == "I8" {
		return nil, fmt.Errorf("weights of type %s are not supported", w.DType)
	}
	if n < tokens {
		return nil, fmt.Errorf("there are weights for %d tokens of %d", n, tokens)
	}
	out := make([]float32, n)
	add(w.Data, out, 1)
	return out, nil
}

// count is how many numbers a list has, which may be a column as well; 0 for
// anything else.
func count(t safetensors.Tensor) int {
	if len(t.Shape) == 1 || (len(t.Shape) == 2 && t.Shape[1] == 1) {
		return t.Shape[0]
	}
	return 0
}
