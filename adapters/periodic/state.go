package periodic

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// stateName is the file in the data directory that outlives the process.
const stateName = "periodic.json"

const stateVersion = 1

// A state is what the file holds. It is written under the lease alone.
type state struct {
	Version int            `json:"version"`
	Jobs    map[Job]record `json:"jobs"`

	// Scratch is where the last drill has worked, while there is something left.
	Scratch string `json:"scratch,omitempty"`
}

// A record is what is known of a job over restarts.
type record struct {
	// Began is when the last attempt began, and Ended when it ended: zero while it
	// runs, and for good where the process has died of it.
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`

	// Done is when the last attempt began that was carried out, whatever it found.
	Done time.Time `json:"done,omitzero"`

	// LastOK is when a run last ended that found nothing.
	LastOK time.Time `json:"last_ok,omitzero"`

	// Failing counts the attempts in a row that were not, Faults the runs in a row
	// that were and found something.
	Failing int `json:"failing,omitempty"`
	Faults  int `json:"faults,omitempty"`

	Error  string  `json:"error,omitempty"`
	Result *Result `json:"result,omitempty"`
}

// readState reads the file. What cannot be read has never been: the jobs then run
// once more than they had to.
func readState(dir string) (state, error) {
	never := state{Version: stateVersion, Jobs: map[Job]record{}}
	name := filepath.Join(dir, stateName)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return never, nil
	}
	if err != nil {
		return never, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return never, err
	}
	st, err := parseState(text)
	if err != nil {
		return never, fmt.Errorf("%s: %w", name, err)
	}
	return st, nil
}

func parseState(text []byte) (state, error) {
	var st state
	if err := json.Unmarshal(text, &st); err != nil {
		return state{}, err
	}
	if st.Version != stateVersion {
		return state{}, fmt.Errorf("is of version %d, not %d", st.Version, stateVersion)
	}
	if st.Jobs == nil {
		st.Jobs = map[Job]record{}
	}
	for job, rec := range st.Jobs {
		rec.Failing, rec.Faults = max(0, rec.Failing), max(0, rec.Faults)
		st.Jobs[job] = rec
	}
	return st, nil
}

// write puts the file in the place of the old one: at any instant there is one of
// them, whole.
func (st state) write(dir string) error {
	text, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, stateName)
	// One name, so that a crash leaves one file at the most: the lease keeps others out.
	f, err := os.OpenFile(name+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name+".tmp"))
	}
	if err := os.Rename(name+".tmp", name); err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil // a directory cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// scratchPrefix begins the names of scratch directories. Nothing else is removed,
// whatever the file says.
const scratchPrefix = "atocore-periodic-"

// removeScratch removes what a drill has left.
func (st *state) removeScratch() error {
	dir := st.Scratch
	if dir == "" {
		return nil
	}
	st.Scratch = ""
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !filepath.IsAbs(dir) || !strings.HasPrefix(filepath.Base(dir), scratchPrefix) || !info.IsDir():
		return fmt.Errorf("%s is no scratch directory of a drill, and stays", dir)
	}
	return os.RemoveAll(dir)
}

// makeScratch makes a directory for a drill under parent, and notes it.
func (st *state) makeScratch(parent string) error {
	dir, err := os.MkdirTemp(parent, scratchPrefix)
	if err != nil {
		return err
	}
	st.Scratch, err = filepath.Abs(dir)
	return err
}
