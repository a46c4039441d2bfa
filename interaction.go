package atocore

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
)

// An Interaction is one captured prompt and its response.
type Interaction struct {
	ID       string `json:"id"`
	Project  string `json:"project"` // a project's name; empty is global
	Session  string `json:"session,omitempty"`
	Client   string `json:"client,omitempty"` // the program it was captured in
	Actor    string `json:"actor,omitempty"`  // who wrote it into the store; set by the store
	Prompt   string `json:"prompt"`
	Response string `json:"response"`

	// Turn identifies the interaction within its client and session. Capturing
	// the same turn again gives back the first. Empty: every capture is new.
	Turn      string            `json:"turn,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	CreatedAt time.Time         `json:"created_at"` // when it happened; zero on input is now
}

// MaxInteractionBytes bounds a prompt and a response, each.
const MaxInteractionBytes = 4 << 20

// An InteractionFilter selects interactions. The zero value selects all.
type InteractionFilter struct {
	Project string // a project's name or alias; empty is every project and the global ones
	Session string
	Client  string
	Limit   int // how many at most; 0 is no limit
}

func (i *Interaction) unit() unit {
	var thread int64
	if i.Session != "" {
		thread = index.Thread(i.Project, i.Client, i.Session)
	}
	return unit{
		kind: KindInteraction, id: i.ID, project: i.Project, typ: i.Client, status: Active, time: i.CreatedAt, confidence: 1, siblings: 1,
		thread: thread, place: inThread(i.CreatedAt, 0),
		date: dateWords(i.CreatedAt), body: joinText(i.Prompt, i.Response), embed: i.embedText(),
	}
}

func (i *Interaction) embedText() string { return joinText(i.Prompt, i.Response) }

func (i *Interaction) validate() error {
	if i.ID != "" {
		return invalid("id", "is given", "the store assigns IDs")
	}
	return i.checkContent()
}

// checkContent holds what was said to its bounds.
func (i *Interaction) checkContent() error {
	if strings.TrimSpace(i.Prompt+i.Response) == "" {
		return invalid("prompt", "and response are empty", "")
	}
	return firstError(
		checkOptional("prompt", i.Prompt, MaxInteractionBytes, ""),
		checkOptional("response", i.Response, MaxInteractionBytes, ""),
		checkName("session", i.Session),
		checkName("client", i.Client),
		checkName("turn", i.Turn),
		checkMetadata("metadata", i.Metadata),
		checkTime("created_at", i.CreatedAt),
	)
}

// Capture stores an interaction, cleaned as Clean does it, and returns it as
// stored. It fails with ErrInvalid also where nothing is left of prompt and response.
func (s *Store) Capture(ctx context.Context, i Interaction) (Interaction, error) {
	i, err := i.checked()
	if err != nil {
		return Interaction{}, fmt.Errorf("capture: %w", err)
	}
	err = s.write(ctx, []string{i.embedText()}, func(c *change) error {
		next, err := c.capture(i)
		if err == nil {
			i = next
		}
		return err
	})
	if err != nil {
		return Interaction{}, fmt.Errorf("capture: %w", err)
	}
	return i, nil
}

// checked is the interaction as it may be stored: valid, and clean.
func (i Interaction) checked() (Interaction, error) {
	if err := i.validate(); err != nil {
		return i, err
	}
	i = i.Clean()
	if i.Prompt+i.Response == "" {
		return i, invalid("prompt", "and response are empty once what must not be stored is taken out", "")
	}
	return i, i.validate()
}

func (c *change) capture(i Interaction) (Interaction, error) {
	if i.Project != "" {
		p, err := projectNamed(c.tx, i.Project)
		if err != nil {
			return i, err
		}
		i.Project = p
	}
	if old, found, err := interactionByTurn(c.tx, &i); err != nil || found {
		return old, err
	}
	i.ID, i.Actor = c.s.newID(), c.actor
	i.CreatedAt = storedTime(firstTime(i.CreatedAt, c.now))
	return i, c.putInteraction("capture", nil, &i)
}

// Interactions lists the interactions that f selects, newest first.
func (s *Store) Interactions(ctx context.Context, f InteractionFilter) iter.Seq2[Interaction, error] {
	return listing(ctx, s, "list interactions", func(tx *sqlite.Tx, yield func(Interaction) bool) error {
		if f.Limit < 0 {
			return invalid("limit", "is negative", "use 0 for no limit")
		}
		project, err := projectFilter(tx, f.Project)
		if err != nil {
			return err
		}
		limit := f.Limit
		if limit == 0 {
			limit = -1
		}
		for r, err := range tx.Query(`SELECT `+interactionColumns+` FROM interactions
			WHERE (? = '' OR project = ?) AND (? = '' OR session = ?) AND (? = '' OR client = ?)
			ORDER BY created_at DESC, id DESC
			LIMIT ?`, project, project, f.Session, f.Session, f.Client, f.Client, limit) {
			if err != nil {
				return err
			}
			var i Interaction
			scanInteraction(r, &i)
			if !yield(i) {
				return nil
			}
		}
		return nil
	})
}

func (c *change) putInteraction(op string, before, after *Interaction) error {
	if err := insertInteraction(c.tx, after); err != nil {
		return err
	}
	if err := c.index(after.unit()); err != nil {
		return err
	}
	return c.journal(op, entityInteraction, after.ID, before, after)
}

const interactionColumns = `id, project, session, turn, client, actor, prompt, response, metadata, created_at`

func insertInteraction(tx *sqlite.Tx, i *Interaction) error {
	_, err := tx.Exec(`INSERT INTO interactions (`+interactionColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET
			project = excluded.project,
			session = excluded.session,
			turn = excluded.turn,
			client = excluded.client,
			actor = excluded.actor,
			prompt = excluded.prompt,
			response = excluded.response,
			metadata = excluded.metadata,
			created_at = excluded.created_at`,
		i.ID, nullString(i.Project), i.Session, i.Turn, i.Client, i.Actor, i.Prompt, i.Response,
		jsonText(i.Metadata, "{}"), timeText(i.CreatedAt))
	return err
}

func scanInteraction(r sqlite.Row, i *Interaction) {
	*i = Interaction{
		ID:        r.Text(0),
		Project:   r.Text(1),
		Session:   r.Text(2),
		Turn:      r.Text(3),
		Client:    r.Text(4),
		Actor:     r.Text(5),
		Prompt:    r.Text(6),
		Response:  r.Text(7),
		Metadata:  parseMetadata(r.Text(8)),
		CreatedAt: parseTime(r.Text(9)),
	}
}

// interactionByTurn finds what was captured as the turn of i, which may be none.
func interactionByTurn(tx *sqlite.Tx, i *Interaction) (old Interaction, found bool, err error) {
	if i.Turn == "" {
		return old, false, nil
	}
	found, err = tx.QueryRow(func(r sqlite.Row) { scanInteraction(r, &old) },
		`SELECT `+interactionColumns+` FROM interactions WHERE client = ? AND session = ? AND turn = ? AND turn <> ''`,
		i.Client, i.Session, i.Turn)
	return old, found, err
}

func interactionByID(tx *sqlite.Tx, id string) (i Interaction, found bool, err error) {
	found, err = tx.QueryRow(func(r sqlite.Row) { scanInteraction(r, &i) },
		`SELECT `+interactionColumns+` FROM interactions WHERE id = ?`, id)
	return i, found, err
}
