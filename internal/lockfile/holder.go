package lockfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Whoever has the file open writes into it who they are, so that somebody who
// cannot have a lock can be told whom to ask. The file is an array of slots; a
// slot counts as long as its byte is locked, so that what a process left behind
// that died says nothing.
const (
	slotSize = 256 // bytes
	slots    = 256
)

// A Holder is a process that has the lock file open and said so.
type Holder struct {
	PID     int       `json:"pid"`
	Command string    `json:"command"` // the program's name, without arguments, which may hold secrets
	Host    string    `json:"host,omitempty"`
	Since   time.Time `json:"since"`
}

// String describes the holder in a message.
func (h Holder) String() string {
	s := fmt.Sprintf("pid %d (%s", h.PID, h.Command)
	if here, _ := os.Hostname(); h.Host != "" && h.Host != here {
		s += " on " + h.Host // a container sees other process numbers
	}
	return s + "), since " + h.Since.UTC().Format(time.RFC3339)
}

// Self describes this process.
func Self() Holder {
	host, _ := os.Hostname() // it only helps
	return Holder{
		PID:     os.Getpid(),
		Command: filepath.Base(os.Args[0]),
		Host:    host,
		Since:   time.Now().UTC().Truncate(time.Second),
	}
}

// Announce writes into the file who holds it, until Close. There is room for 256
// holders; one more is not announced, which is no error.
func (f *File) Announce(h Holder) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return ErrClosed
	}
	line, err := json.Marshal(h)
	for err == nil && len(line) >= slotSize && h != (Holder{PID: h.PID, Since: h.Since}) {
		h = Holder{PID: h.PID, Since: h.Since} // names can be of any length
		line, err = json.Marshal(h)
	}
	if err != nil {
		return fmt.Errorf("announce holder of %s: %w", f.path, err)
	}
	record := string(line) + strings.Repeat(" ", slotSize-1-len(line)) + "\n"
	for i := range int64(slots) {
		free, err := f.try(slotBase+i, Exclusive)
		if err != nil {
			return err
		}
		if free {
			_, err := f.f.WriteAt([]byte(record), i*slotSize)
			return err
		}
	}
	return nil
}

// Holders lists who has announced to hold the lock file at path, in no
// particular order. A missing file has none.
func Holders(path string) ([]Holder, error) {
	// A File of its own: the locks of the caller's would be its own to this look.
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	f := &File{path: path, f: file}
	var all []Holder
	for i := range min(info.Size()/slotSize, slots) {
		// Shared, so that two who look do not take each other for holders.
		free, err := f.try(slotBase+i, Shared)
		if err != nil {
			return all, err
		}
		if free {
			if err := unlock(file, slotBase+i); err != nil {
				return all, &os.PathError{Op: "unlock", Path: path, Err: err}
			}
			continue
		}
		var record [slotSize]byte
		if _, err := file.ReadAt(record[:], i*slotSize); err != nil && !errors.Is(err, io.EOF) {
			return all, err
		}
		var h Holder
		if json.Unmarshal(record[:], &h) == nil { // else it is being written, or a disk was full
			all = append(all, h)
		}
	}
	return all, nil
}

// A HeldError says who holds a lock file.
type HeldError struct {
	Path    string
	Holders []Holder // empty where nobody said so
}

// Held makes the error for a lock at path that could not be had.
func Held(path string) *HeldError {
	holders, _ := Holders(path) // the lock's own error is the one that counts
	return &HeldError{Path: path, Holders: holders}
}

func (e *HeldError) Error() string {
	if len(e.Holders) == 0 {
		return "held by a process that did not say who it is"
	}
	names := make([]string, len(e.Holders))
	for i, h := range e.Holders {
		names[i] = h.String()
	}
	return "held by " + strings.Join(names, "; ")
}
