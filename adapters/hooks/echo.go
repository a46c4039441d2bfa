package hooks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/atocore/atocore"
)

// What a hook has given to a session is noted in a file a session, as hashes of its
// lines: the store's content does not lie about a second time, and Stop can tell what
// the agent repeats, marked or not, from what it says.
const (
	packsName = "packs"

	maxEchoes     = 5000                // a session; the oldest go first
	maxEchoBytes  = 1 << 20             // of a file
	echoesLastFor = 30 * 24 * time.Hour // since the last prompt of the session
	echoSize      = 8                   // bytes of a hash
)

// echoes is what has been given to a session.
type echoes struct {
	Lines []string `json:"lines"` // hashes, oldest first
}

func (h *hook) echoFile(session string) (dir, name string) {
	sum := sha256.Sum256([]byte(session))
	return filepath.Join(h.Dir, dirName, packsName), hex.EncodeToString(sum[:16]) + ".json"
}

// readEchoes is what has been given to the session, nothing where that is not to be
// had.
func readEchoes(name string) echoes {
	var e echoes
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return e
	}
	f, err := os.Open(name)
	if err != nil {
		return e
	}
	defer f.Close()
	if src, err := io.ReadAll(io.LimitReader(f, maxEchoBytes)); err == nil && json.Unmarshal(src, &e) != nil {
		e = echoes{}
	}
	return e
}

// noteEcho notes what is given to the session.
func (h *hook) noteEcho(session, text string) error {
	if _, err := atocore.SubDir(h.Dir, dirName); err != nil {
		return err
	}
	dir, base := h.echoFile(session)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	sweepEchoes(dir)
	name := filepath.Join(dir, base)
	e := readEchoes(name)
	known := map[string]bool{}
	for _, l := range e.Lines {
		known[l] = true
	}
	for line := range strings.Lines(text) {
		for _, part := range append([]string{line}, sentences(line)...) {
			if id, ok := echoID(part); ok && !known[id] {
				known[id] = true
				e.Lines = append(e.Lines, id)
			}
		}
	}
	e.Lines = e.Lines[max(0, len(e.Lines)-maxEchoes):]
	src, err := json.Marshal(e)
	if err != nil {
		return err
	}
	// Whole or as it was; that it survives a loss of power is not needed, since the
	// session does not.
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(src)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to report
	}
	return err
}

// sweepEchoes removes what no session will ask for.
func sweepEchoes(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.Type().IsRegular() && time.Since(info.ModTime()) > echoesLastFor {
			_ = os.Remove(filepath.Join(dir, e.Name())) // or the next time
		}
	}
}

// withoutEcho is the answer without the lines and sentences that were given to the
// session. Those between marks are the store's to take out.
func (h *hook) withoutEcho(session, answer string) string {
	e := readEchoes(filepath.Join(h.echoFile(session)))
	if len(e.Lines) == 0 {
		return answer
	}
	given := map[string]bool{}
	for _, l := range e.Lines {
		given[l] = true
	}
	isEcho := func(s string) bool {
		id, ok := echoID(s)
		if ok && given[id] {
			return true
		}
		_, told, _ := strings.Cut(s, ": ") // As was said before: …
		id, ok = echoID(told)
		return ok && given[id]
	}
	var out strings.Builder
	for line := range strings.Lines(answer) {
		if isEcho(line) {
			continue
		}
		parts := sentences(line)
		echoed := false
		for _, p := range parts {
			echoed = echoed || isEcho(p)
		}
		if !echoed {
			out.WriteString(line)
			continue
		}
		for _, p := range parts {
			if !isEcho(p) {
				out.WriteString(p)
			}
		}
		if strings.HasSuffix(line, "\n") && !strings.HasSuffix(out.String(), "\n") {
			out.WriteByte('\n')
		}
	}
	return out.String()
}

var (
	lead     = regexp.MustCompile(`^(?:\s|>|[-*+•#|(]|\d{1,4}[.)]|\[\d{1,4}\])*`)
	trail    = regexp.MustCompile(`(?:\s|\[\d{1,4}\]|[.,;:!|*_)])*$`)
	ornament = strings.NewReplacer("*", "", "_", "", "`", "", "\"", "", "“", "", "”", "", "’", "'")
	sentence = regexp.MustCompile(`[.!?;](?:\s*\[\d{1,4}\])?\s+`)
)

// echoID stands for a line however it is quoted, listed, cited or set. Of lines of a
// few words there is none: anybody says those.
func echoID(line string) (string, bool) {
	line = trail.ReplaceAllString(lead.ReplaceAllString(line, ""), "")
	words := strings.Fields(strings.ToLower(ornament.Replace(line)))
	s := strings.Join(words, " ")
	if len(words) < 4 || utf8.RuneCountInString(s) < 16 {
		return "", false
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:echoSize]), true
}

// sentences cuts a line behind its full stops and semicolons.
func sentences(line string) []string {
	var out []string
	from := 0
	for _, at := range sentence.FindAllStringIndex(line, -1) {
		out = append(out, line[from:at[1]])
		from = at[1]
	}
	if from < len(line) {
		out = append(out, line[from:])
	}
	return out
}
