package static

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/atocore/atocore"
)

// files are those of a model.
type files struct{ model, tokenizer, config, modules string }

// find looks for a model in a folder, in each of the layouts.
func find(dir string) (files, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return files{}, err
	}
	if !info.IsDir() {
		return files{}, &atocore.InvalidError{Field: dir, Reason: "is no folder", Hint: "name the folder that model.safetensors is in"}
	}
	for _, sub := range []string{".", "0_StaticEmbedding"} {
		f := files{
			model: filepath.Join(dir, sub, "model.safetensors"), tokenizer: filepath.Join(dir, sub, "tokenizer.json"),
			config: filepath.Join(dir, "config.json"), modules: filepath.Join(dir, "modules.json"),
		}
		if exists(f.model) && exists(f.tokenizer) {
			return f, nil
		}
	}
	return files{}, &atocore.InvalidError{Field: dir, Reason: "holds no model.safetensors with a tokenizer.json", Hint: "name the folder of a static model in the layout of model2vec"}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// maxConfig bounds the small files, in bytes.
const maxConfig = 1 << 20

// normalizes reports whether the model's vectors have length 1: as config.json
// says, or else whether modules.json, of sentence-transformers, has a step for it.
func (f files) normalizes() (bool, error) {
	var config struct {
		Normalize *bool `json:"normalize"`
	}
	if err := readJSON(f.config, &config); err != nil {
		return false, err
	}
	if config.Normalize != nil {
		return *config.Normalize, nil
	}
	var modules []struct {
		Type string `json:"type"`
	}
	if err := readJSON(f.modules, &modules); err != nil {
		return false, err
	}
	for _, m := range modules {
		if strings.HasSuffix(m.Type, ".Normalize") {
			return true, nil
		}
	}
	return false, nil
}

// readJSON reads a small file, if it is there.
func readJSON(name string, into any) error {
	src, err := readBounded(name, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(src, into); err != nil {
		return broken(name, errors.New("it is not the JSON of a model"))
	}
	return nil
}

// reading is the version of how models are read here. It changes with whatever
// changes the vectors of the same files.
const reading = 1

// fingerprint is a hash over all that the vectors depend on.
func (e *Embedder) fingerprint(model, vocabulary []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %v %d\n", reading, e.normalize, e.maxTokens)
	for _, part := range [][]byte{model, vocabulary} {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
