package hooks

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"time"
)

// maxText bounds the prompt and the answer that are taken from a transcript. Of a
// longer one the beginning is kept.
const maxText = 1 << 20

// cutMark stands at the end of a text that was longer.
const cutMark = "\n[cut]"

// A Turn is the last thing that was said to an agent, and its answer.
type Turn struct {
	ID     string // stands for the turn within its session, the same whenever it is read
	Prompt string // as it was typed; empty where the answer is a further one to the prompt before
	Answer string // the last message of the agent
	Time   time.Time
}

// A record is a line of a Claude Code transcript, as far as it is read. Other kinds
// than those of users and assistants are left out, and so is what is said in the
// conversations of subagents.
type record struct {
	kind    string // "user", "assistant", else not read
	id      string
	message string // ID of the assistant's message, of which each record has a part
	time    time.Time
	text    []string
	ignore  bool // not part of the conversation
	meta    bool // put there by the program
	result  bool // of a tool
	summary bool // of what was compacted away
	tool    bool // an assistant's call of a tool
}

// readRecord scans one line. It ends as soon as the line is known to be of no use.
func readRecord(s *scanner) (record, error) {
	var r record
	more := func(err error) (bool, error) { return !r.ignore && !r.result, err }
	flag := func(to *bool) (bool, error) {
		v, err := s.isTrue()
		*to = *to || v
		return more(err)
	}
	short := func() string {
		v, _, err := s.text(200)
		if err != nil {
			r.ignore = true
		}
		return v
	}
	err := s.object(func(key string) (bool, error) {
		switch key {
		case "type":
			r.kind = short()
			r.ignore = r.ignore || r.kind != "user" && r.kind != "assistant"
			return more(nil)
		case "uuid":
			r.id = short()
			return more(nil)
		case "timestamp":
			r.time, _ = time.Parse(time.RFC3339, short())
			return more(nil)
		case "isSidechain", "isApiErrorMessage":
			return flag(&r.ignore)
		case "isMeta":
			return flag(&r.meta)
		case "isCompactSummary":
			return flag(&r.summary)
		case "toolUseResult", "sourceToolAssistantUUID":
			r.result = true
			return false, nil
		case "message":
			return more(r.readMessage(s))
		}
		return more(s.skip())
	})
	return r, err
}

func (r *record) readMessage(s *scanner) error {
	if c, err := s.next(); err != nil || c != '{' {
		if err == nil {
			err = s.skip()
		}
		return err
	}
	return s.object(func(key string) (more bool, err error) {
		switch key {
		case "id":
			r.message, _, err = s.text(200)
		case "model":
			var model string
			model, _, err = s.text(200)
			r.ignore = r.ignore || model == "<synthetic>" // the program speaks, of an error
		case "content":
			err = r.readContent(s)
		default:
			err = s.skip()
		}
		return !r.result && !r.ignore, err
	})
}

// readContent reads what was said: a text, or a list of blocks.
func (r *record) readContent(s *scanner) error {
	switch c, err := s.next(); {
	case err != nil:
		return err
	case c == '"':
		return r.readText(s)
	case c != '[':
		return s.skip()
	}
	return s.array(func() (bool, error) {
		if c, err := s.next(); err != nil || c != '{' {
			if err == nil {
				err = s.skip()
			}
			return true, err
		}
		kind, before := "", len(r.text)
		err := s.object(func(key string) (more bool, err error) {
			switch key {
			case "type":
				kind, _, err = s.text(100)
				r.result = r.result || kind == "tool_result"
				return !r.result, err
			case "text":
				return true, r.readText(s)
			}
			return true, s.skip()
		})
		r.tool = r.tool || strings.HasSuffix(kind, "tool_use")
		if kind != "text" {
			r.text = r.text[:before]
		}
		return !r.result, err
	})
}

func (r *record) readText(s *scanner) error {
	text, cut, err := s.text(maxText - len(cutMark))
	if cut {
		text = wholeWords(text) + cutMark
	}
	r.text = append(r.text, text)
	return err
}

// wholeWords is a text that was cut, without what may be half a word: half a key is
// not known for what it is.
func wholeWords(text string) string {
	const longest = 4 << 10
	if i := strings.LastIndexAny(text, " \t\r\n"); i >= len(text)-longest {
		return text[:max(i, 0)]
	}
	return text
}

// machineTags begin the texts of user records that nobody has typed: commands and
// what they print, notices of tasks and of other agents, what an editor shows.
var machineTags = []string{
	"<command-", "<local-command-", "<bash-", "<task-", "<system-", "<user-memory-", "<ide_", "<teammate-", "<hook-",
	"[Request interrupted by user",
}

func fromMachine(text string) bool {
	text = strings.TrimSpace(text)
	for _, tag := range machineTags {
		if strings.HasPrefix(text, tag) {
			return true
		}
	}
	return false
}

// typed is what the user has typed, empty of other records.
func (r *record) typed() string {
	if r.kind != "user" || r.meta || r.result || r.summary {
		return ""
	}
	return joinTexts(r.text, fromMachine)
}

// said is what an assistant's record says.
func (r *record) said() string {
	if r.kind != "assistant" {
		return ""
	}
	return joinTexts(r.text, func(string) bool { return false })
}

func joinTexts(texts []string, without func(string) bool) string {
	var kept []string
	size := 0
	for _, t := range texts {
		if t = strings.TrimSpace(t); t == "" || without(t) || size+len(t) > maxText {
			continue
		}
		size += len(t) + 2
		kept = append(kept, t)
	}
	return strings.Join(kept, "\n\n")
}

// opening is how a user record's text begins.
func (r *record) opening(with ...string) bool {
	if r.kind != "user" || len(r.text) == 0 {
		return false
	}
	first := strings.TrimSpace(r.text[0])
	for _, w := range with {
		if strings.HasPrefix(first, w) {
			return true
		}
	}
	return false
}

// starts reports whether a user record that nobody has typed makes the assistant
// speak again: a notice, or what another hook says.
func (r *record) starts() bool {
	return r.kind == "user" && !r.result && !r.summary && !r.opening("<local-command-", "<bash-", "<command-", "[Request interrupted")
}

// printed reports what a command of the program itself prints: then the command
// has not been the assistant's to answer.
func (r *record) printed() bool { return r.opening("<local-command-stdout", "<local-command-stderr") }

func (r *record) command() bool { return !r.meta && r.opening("<command-") }

// lastTurn finds the last turn of a Claude Code transcript. answer is the agent's
// last message where the hook was told: the transcript may not have it yet.
//
// The turn begins with the last prompt that somebody typed. Where the assistant had
// answered that, and then spoke again because of something else, a notice of a task
// that has ended, a command or another hook, the last answer is a turn of its own.
func lastTurn(ctx context.Context, f io.ReaderAt, size int64, answer string) (Turn, bool, error) {
	lines := newBackward(f, size)
	var (
		t        = Turn{Answer: strings.TrimSpace(answer)}
		told     = t.Answer != ""
		message  string   // that the answer is from
		parts    []string // of it, the last first
		again    *record  // what made the assistant speak again, if it had answered
		printed  bool     // the next command is one of the program itself
		complete = func() {
			if told {
				return
			}
			for i := len(parts) - 1; i >= 0; i-- {
				t.Answer = strings.TrimSpace(t.Answer + "\n\n" + parts[i])
			}
		}
	)
	found := func(r *record, prompt string) (Turn, bool, error) {
		complete()
		t.ID, t.Prompt, t.Time = r.id, prompt, r.time
		if t.ID == "" {
			t.ID = hashID(prompt, t.Answer, r.time.String())
		}
		return t, true, nil
	}
	for {
		start, end, ok, err := lines.next(ctx)
		if err != nil {
			return Turn{}, false, err
		}
		if !ok {
			break
		}
		s, err := lines.scan(start, end)
		if err != nil {
			return Turn{}, false, err
		}
		r, err := readRecord(s)
		if err != nil || r.ignore || r.kind == "" {
			continue // a line that is being written, and what is of no concern
		}
		answered := told || len(parts) > 0
		switch prompt, said := r.typed(), r.said(); {
		case prompt != "":
			return found(&r, prompt)
		case r.kind == "assistant":
			if again != nil && (said != "" || r.tool) {
				if !r.tool {
					return found(again, "")
				}
				again = nil // it was not done, so this is still the answer
			}
			if said != "" && !told && (len(parts) == 0 || message != "" && message == r.message) {
				parts, message = append(parts, said), r.message
			}
			printed = false
		case r.result:
			again = nil
		case r.printed():
			printed = true
		case r.command() && printed:
			printed = false
		case r.command() && answered:
			return found(&r, "")
		case r.starts() && answered && again == nil:
			again = &r
		}
	}
	complete()
	if t.Answer == "" {
		return Turn{}, false, nil
	}
	t.ID = cmp.Or(t.ID, hashID("", t.Answer, "")) // a transcript without its beginning
	return t, true, nil
}

func hashID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return "sha256-" + hex.EncodeToString(h.Sum(nil)[:12])
}
