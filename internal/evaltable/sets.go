package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/atocore/atocore/adapters/evaluation"
)

// setFiles says where a set's files are, as sets.json does: slash-separated and
// relative to the folder.
type setFiles struct {
	Name    string `json:"name"`
	Corpus  string `json:"corpus"`
	Queries string `json:"queries"`
	Labels  string `json:"labels"`
	Flag    string `json:"score_flag"` // "--session", "--spans" or ""
}

func (s *setFiles) unit() evaluation.Unit {
	switch s.Flag {
	case "--session":
		return evaluation.Sessions
	case "--spans":
		return evaluation.Spans
	}
	return evaluation.Documents
}

// labelFiles are the names of labels, and how they are scored.
var labelFiles = []struct{ name, flag string }{
	{"qrels.tsv", ""},
	{"qrels.session.tsv", "--session"},
	{"spans.tsv", "--spans"},
}

// findSets lists the sets of a folder.
func findSets(folder string) ([]setFiles, error) {
	list, err := os.ReadFile(filepath.Join(folder, "sets.json"))
	if err == nil {
		var sets []setFiles
		if err := json.Unmarshal(list, &sets); err != nil {
			return nil, fmt.Errorf("sets.json: %w", err)
		}
		return sets, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var sets []setFiles
	err = fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if s, ok := setIn(folder, name); ok {
			sets = append(sets, s)
		}
		return nil
	})
	return sets, err
}

// setIn finds the files of a set in one folder.
func setIn(root, folder string) (setFiles, bool) {
	find := func(name string) string {
		for _, file := range []string{path.Join(folder, name), path.Join(folder, name+".gz")} {
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); err == nil {
				return file
			}
		}
		return ""
	}
	s := setFiles{Name: folder, Corpus: find("corpus.jsonl"), Queries: find("queries.jsonl")}
	for _, l := range labelFiles {
		if s.Labels = find(l.name); s.Labels != "" {
			s.Flag = l.flag
			break
		}
	}
	return s, s.Corpus != "" && s.Queries != "" && s.Labels != ""
}
