package safetensors_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/adapters/embedders/static/internal/safetensors"
)

// file is a safetensors file of a header and data.
func file(header string, data ...byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), data...)
}

func TestParse(t *testing.T) {
	got, err := safetensors.Parse(file(`{"__metadata__":{"format":"pt"},
		"b":{"dtype":"I8","shape":[3],"data_offsets":[8,11]},
		"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},
		"none":{"dtype":"F16","shape":[0,7],"data_offsets":[11,11]}}  `, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]safetensors.Tensor{
		"a":    {DType: "F32", Shape: []int{1, 2}, Data: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		"b":    {DType: "I8", Shape: []int{3}, Data: []byte{9, 10, 11}},
		"none": {DType: "F16", Shape: []int{0, 7}, Data: []byte{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// hostile are files that are none, each with a word of its error.
var hostile = map[string]struct {
	file []byte
	want string
}{
	"empty":                   {nil, "too short"},
	"a header longer than it": {file(`{}`)[:9], "cut off"},
	"a length of all ones":    {append(binary.LittleEndian.AppendUint64(nil, math.MaxUint64), '{', '}'), "cut off"},
	"no JSON":                 {file(`{"a":`), "not JSON"},
	"a list":                  {file(`[]`), "not JSON"},
	"an entry that is none":   {file(`{"a":3}`), "does not say"},
	"no offsets":              {file(`{"a":{"dtype":"I8","shape":[1]}}`, 1), "does not say"},
	"no shape":                {file(`{"a":{"dtype":"I8","data_offsets":[0,1]}}`, 1), "does not say"},
	"a negative shape":        {file(`{"a":{"dtype":"I8","shape":[-1],"data_offsets":[0,1]}}`, 1), "does not say"},
	"an unknown type":         {file(`{"a":{"dtype":"I9","shape":[1],"data_offsets":[0,1]}}`, 1), "I9"},
	"outside":                 {file(`{"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}`, 1), "outside"},
	"far outside":             {file(`{"a":{"dtype":"I8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615]}}`, 1), "outside"},
	"backwards":               {file(`{"a":{"dtype":"I8","shape":[1],"data_offsets":[1,0]}}`, 1), "outside"},
	"a shape that overflows":  {file(`{"a":{"dtype":"F32","shape":[2147483647,2147483647,2147483647],"data_offsets":[0,4]}}`, 1, 2, 3, 4), "too large"},
	"too few bytes":           {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,3]}}`, 1, 2, 3), "takes 4 bytes"},
	"overlapping": {file(`{"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},
		"b":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}}`, 1, 2, 3), "overlap"},
	"the same place twice": {file(`{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},
		"b":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}`, 1), "overlap"},
	"a hole":   {file(`{"a":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}}`, 1, 2), "hole"},
	"leftover": {file(`{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}`, 1, 2), "there are 2"},
}

func TestHostile(t *testing.T) {
	for name, test := range hostile {
		t.Run(name, func(t *testing.T) {
			_, err := safetensors.Parse(test.file)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// FuzzParse wants every tensor of any file to be as long as its shape says, and
// all of them together to be the data.
func FuzzParse(f *testing.F) {
	f.Add(file(`{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}`, 1, 2, 3, 4, 5, 6, 7, 8))
	for _, test := range hostile {
		f.Add(test.file)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		tensors, err := safetensors.Parse(src)
		if err != nil {
			return
		}
		total := 0
		for name, tensor := range tensors {
			n := safetensors.Size(tensor.DType)
			for _, d := range tensor.Shape {
				n *= d
			}
			if n != len(tensor.Data) {
				t.Errorf("tensor %q of %s %v has %d bytes", name, tensor.DType, tensor.Shape, len(tensor.Data))
			}
			total += n
		}
		if header := int(binary.LittleEndian.Uint64(src)); total != len(src)-8-header {
			t.Errorf("tensors have %d bytes of %d", total, len(src)-8-header)
		}
	})
}
