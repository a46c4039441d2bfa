package atocore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/atocore/atocore/internal/schema"
)

// A Record is one record on its way into or out of a store. Exactly one of its
// pointers is set.
type Record struct {
	Project     *Project     `json:"project,omitempty"`
	Memory      *Memory      `json:"memory,omitempty"`
	State       *StateEntry  `json:"state,omitempty"`
	Document    *Document    `json:"document,omitempty"`
	Interaction *Interaction `json:"interaction,omitempty"`
	Probe       *Probe       `json:"probe,omitempty"`

	// Text is a document's source, which the store cuts into chunks; Chunks are its
	// pieces as a store has cut them, in place of Text.
	Text   string  `json:"text,omitempty"`
	Chunks []Chunk `json:"chunks,omitempty"`

	// Original is the document's kept source, byte for byte.
	Original []byte `json:"original,omitempty"`

	// Key identifies the record within its source where that knows no IDs of this
	// store: running an import again finds it by its key. At most 1 KiB.
	Key string `json:"key,omitempty"`
}

// entityProbe is what a probe is called beside the entities of the journal, which
// it is none of.
const entityProbe = "probe"

// entity is what the record holds.
func (r *Record) entity() (string, error) {
	var found []string
	for _, e := range []struct {
		name string
		set  bool
	}{
		{entityProject, r.Project != nil}, {entityMemory, r.Memory != nil}, {entityState, r.State != nil},
		{entityDocument, r.Document != nil}, {entityInteraction, r.Interaction != nil}, {entityProbe, r.Probe != nil},
	} {
		if e.set {
			found = append(found, e.name)
		}
	}
	switch {
	case len(found) == 0:
		return "", invalid("record", "holds nothing", "give one of project, memory, state, document, interaction or probe")
	case len(found) > 1:
		return "", invalid("record", "holds "+strings.Join(found, " and "), "give each a record of its own")
	case found[0] != entityDocument && (r.Text != "" || r.Chunks != nil || r.Original != nil):
		return "", invalid("record", "has text, chunks or an original, and no document", "")
	}
	return found[0], nil
}

// label names the record for people, where it has no key.
func (r *Record) label() string {
	const most = 80
	var text string
	switch {
	case r.Key != "":
		return truncate(r.Key, maxNameBytes)
	case r.Project != nil:
		text = r.Project.Name
	case r.Memory != nil:
		text = firstOf(r.Memory.ID, r.Memory.Content)
	case r.State != nil:
		text = firstOf(r.State.ID, r.State.Project+"/"+r.State.Category+"/"+r.State.Key)
	case r.Document != nil:
		text = firstOf(r.Document.ID, r.Document.Path)
	case r.Interaction != nil:
		text = firstOf(r.Interaction.ID, r.Interaction.Turn, r.Interaction.Prompt)
	case r.Probe != nil:
		text = r.Probe.Query
	}
	text = oneLine(text)
	if len(text) > most {
		text = truncate(text, most) + "…"
	}
	return text
}

// says is what the record says, in short for a document.
func (r *Record) says() string {
	switch {
	case r.Project != nil:
		return r.Project.Name
	case r.Memory != nil:
		return r.Memory.Content
	case r.State != nil:
		return r.State.Project + "/" + r.State.Category + "/" + r.State.Key + ": " + r.State.Value
	case r.Document != nil:
		return firstOf(r.Document.Title, r.Document.Path)
	case r.Interaction != nil:
		return joinText(r.Interaction.Prompt, r.Interaction.Response)
	case r.Probe != nil:
		return r.Probe.Query
	}
	return ""
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// prepare holds a record to the bounds of what the store keeps and brings it into
// the form that is stored. It changes the copies that it makes, not what the caller
// has. What the store alone can tell, names of projects above all, is left. The project
// is for what is nothing without one; the others get theirs when the store is asked.
func (r Record) prepare(project string) (Record, error) {
	entity, err := r.entity()
	if err != nil {
		return r, err
	}
	if err := checkOptional("key", r.Key, maxNameBytes, ""); err != nil {
		return r, err
	}
	switch entity {
	case entityProject:
		p := *r.Project
		err = p.prepare()
		r.Project = &p
	case entityMemory:
		m := *r.Memory
		err = m.prepare()
		r.Memory = &m
	case entityState:
		e := *r.State
		if e.Project == "" {
			e.Project = project
		}
		err = e.prepare()
		r.State = &e
	case entityDocument:
		if r.Document, err = r.prepareDocument(); err == nil {
			r.Text = ""
		}
	case entityInteraction:
		i := *r.Interaction
		err = i.prepare()
		r.Interaction = &i
	case entityProbe:
		p := *r.Probe
		if p.Project == "" {
			p.Project = project
		}
		err = p.prepare()
		r.Probe = &p
	}
	return r, err
}

func (p *Project) prepare() error {
	if err := firstError(p.validate(), checkTime("created_at", p.CreatedAt), checkTime("updated_at", p.UpdatedAt)); err != nil {
		return err
	}
	p.CreatedAt, p.UpdatedAt = storedTime(p.CreatedAt), storedTime(p.UpdatedAt)
	p.Aliases = slices.Clone(p.Aliases)
	slices.Sort(p.Aliases)
	p.Aliases = slices.Compact(p.Aliases)
	return nil
}

// maxReinforced is more often than anything is said, and leaves room to count on.
const maxReinforced = 1 << 30

func (m *Memory) prepare() error {
	if m.Status == "" {
		m.Status = Active
	}
	if m.Confidence == 0 {
		m.Confidence = 1
	}
	m.ValidFrom, m.ValidUntil = storedTime(m.ValidFrom), storedTime(m.ValidUntil)
	switch {
	case !slices.Contains(statuses, m.Status):
		return invalid("status", fmt.Sprintf("%q is not a status", m.Status), "use one of "+joinNames(statuses))
	case m.live() && m.SupersededBy != "":
		return invalid("superseded_by", "is given, and the status is "+string(m.Status), "")
	case m.Reinforced < 0 || m.Reinforced > maxReinforced:
		return invalid("reinforced", fmt.Sprintf("%d is not 0 to %d", m.Reinforced, maxReinforced), "")
	case m.ID != "" && m.SupersededBy == m.ID:
		return invalid("superseded_by", "is the memory itself", "")
	case m.ID != "" && m.Supersedes == m.ID:
		return invalid("supersedes", "is the memory itself", "")
	case !m.ValidFrom.IsZero() && !m.ValidUntil.IsZero() && m.ValidUntil.Before(m.ValidFrom):
		return invalid("valid_until", "is before valid_from", "")
	}
	if err := firstError(
		m.checkType(""),
		m.checkStatement(""),
		checkID("id", m.ID),
		checkID("supersedes", m.Supersedes),
		checkID("superseded_by", m.SupersededBy),
		checkOptional("reason", m.Reason, maxNameBytes, ""),
		checkOptional("provenance.actor", m.Provenance.Actor, maxNameBytes, ""),
		checkTime("reinforced_at", m.ReinforcedAt),
		checkTime("created_at", m.CreatedAt),
		checkTime("updated_at", m.UpdatedAt),
		checkProjectName(m.Project),
	); err != nil {
		return err
	}
	m.Tags = cleanTags(m.Tags)
	if len(m.Metadata) == 0 {
		m.Metadata = nil
	}
	m.ReinforcedAt, m.CreatedAt, m.UpdatedAt = storedTime(m.ReinforcedAt), storedTime(m.CreatedAt), storedTime(m.UpdatedAt)
	return nil
}

func (e *StateEntry) prepare() error {
	if e.Category == "" {
		e.Category = defaultCategory
	}
	err := firstError(
		e.validate(),
		checkID("id", e.ID),
		checkProjectName(e.Project),
		checkOptional("actor", e.Actor, maxNameBytes, ""),
		checkTime("created_at", e.CreatedAt),
		checkTime("updated_at", e.UpdatedAt),
	)
	e.CreatedAt, e.UpdatedAt = storedTime(e.CreatedAt), storedTime(e.UpdatedAt)
	return err
}

func (i *Interaction) prepare() error {
	err := firstError(
		i.checkContent(),
		checkID("id", i.ID),
		checkProjectName(i.Project),
		checkOptional("actor", i.Actor, maxNameBytes, ""),
	)
	if len(i.Metadata) == 0 {
		i.Metadata = nil
	}
	i.CreatedAt = storedTime(i.CreatedAt)
	return err
}

func (p *Probe) prepare() error {
	q := Query{Text: p.Query}
	err := firstError(q.validate(), checkText("query", p.Query, MaxQueryBytes, ""), checkProjectName(p.Project), checkTime("created_at", p.CreatedAt))
	p.CreatedAt = storedTime(p.CreatedAt)
	return err
}

// prepareDocument is prepare for a document: one that comes as a text, or with
// nothing but its original, is cut into chunks.
func (r *Record) prepareDocument() (*Document, error) {
	d := *r.Document
	if d.MediaType == "" {
		d.MediaType = MediaMarkdown
	}
	if err := firstError(
		d.validate(),
		checkID("id", d.ID),
		checkProjectName(d.Project),
		checkOptional("actor", d.Actor, maxNameBytes, ""),
		checkTime("created_at", d.CreatedAt),
		checkTime("updated_at", d.UpdatedAt),
	); err != nil {
		return nil, err
	}
	d.Time, d.CreatedAt, d.UpdatedAt = storedTime(d.Time), storedTime(d.CreatedAt), storedTime(d.UpdatedAt)
	if len(d.Metadata) == 0 {
		d.Metadata = nil
	}
	d.Tags = cleanTags(d.Tags) // a copy: parse adds to them
	if len(r.Original) > MaxDocumentBytes {
		return nil, invalid("original", fmt.Sprintf("has %d bytes, more than %d", len(r.Original), MaxDocumentBytes), "")
	}
	source := []byte(r.Text)
	switch {
	case r.Chunks != nil && r.Text != "":
		return nil, invalid("text", "is given, and chunks as well", "give one of them")
	case r.Chunks == nil && r.Text == "":
		source = r.Original
	case r.Chunks == nil && r.Original != nil && !bytes.Equal(source, r.Original):
		return nil, invalid("original", "is another text", "give the text alone, or the original alone")
	}
	if r.Chunks == nil {
		if err := checkText("text", string(source), MaxDocumentBytes, "split it"); err != nil {
			return nil, err
		}
		rec := documentRecord{Document: d}
		if err := rec.parse(source); err != nil {
			return nil, err
		}
		rec.Time = storedTime(rec.Time)
		r.Chunks, d = rec.Pieces, rec.Document
	} else if err := d.checkChunks(r.Chunks, r.Original); err != nil {
		return nil, err
	}
	d.Kept = r.Original != nil
	d.Chunks = len(r.Chunks)
	return &d, nil
}

// checkChunks holds the pieces that come with a document to what the store would
// have cut.
func (d *Document) checkChunks(chunks []Chunk, original []byte) error {
	switch {
	case d.MediaType != MediaMarkdown && d.MediaType != MediaText:
		return invalid("media_type", fmt.Sprintf("%q is not known", d.MediaType), "use "+MediaMarkdown+" or "+MediaText)
	case !schema.IsSum(d.SHA256):
		return invalid("sha256", "is not 64 lower-case hexadecimal digits", "give the text instead of chunks")
	case d.Size < 0 || d.Size > MaxDocumentBytes:
		return invalid("size", fmt.Sprintf("%d is not 0 to %d", d.Size, MaxDocumentBytes), "")
	}
	if original != nil {
		if sum := sha256.Sum256(original); hex.EncodeToString(sum[:]) != d.SHA256 || int64(len(original)) != d.Size {
			return invalid("original", "is not what sha256 and size are of", "")
		}
	}
	total := 0
	for i := range chunks {
		ch, field := &chunks[i], fmt.Sprintf("chunks[%d]", i)
		total += len(ch.Text)
		switch {
		case ch.Ordinal != i:
			return invalid(field+".ordinal", fmt.Sprintf("is %d", ch.Ordinal), "chunks come in their order, from 0")
		case ch.Start < 0 || ch.End < ch.Start || int64(ch.End) > d.Size:
			return invalid(field, fmt.Sprintf("is of bytes %d to %d of %d", ch.Start, ch.End, d.Size), "")
		case ch.End-ch.Start != len(ch.Text):
			return invalid(field+".text", fmt.Sprintf("has %d bytes, and stands for %d", len(ch.Text), ch.End-ch.Start), "")
		case total > 2*MaxDocumentBytes:
			return invalid("chunks", "are more than the text of a document", "")
		}
		if err := checkOptional(field+".text", ch.Text, MaxDocumentBytes, ""); err != nil {
			return err
		}
		for _, h := range ch.Heading {
			if err := checkName(field+".heading", h); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkID refuses what cannot be the ID of a record.
func checkID(field, id string) error {
	if id == "" {
		return nil
	}
	if u, err := ulid.ParseStrict(id); err != nil || lowerID(u) != id {
		return invalid(field, fmt.Sprintf("%.60q is not an ID of a store", id), "leave it out and give a key, which may be any text")
	}
	return nil
}

// checkProjectName holds a name to what AddProject takes: the project may have to
// be made.
func checkProjectName(name string) error {
	if name == "" {
		return nil
	}
	if strings.TrimSpace(name) != name {
		return invalid("project", "begins or ends with white space", "")
	}
	return checkName("project", name)
}

// keyID makes the ID of a record that comes without one: the same time and parts
// give the same ID, in any store.
func keyID(t time.Time, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	var id ulid.ULID
	ms := int64(0)
	if !t.IsZero() {
		ms = max(0, t.UnixMilli())
	}
	// Both can fail on a time after the year 10889 and on another length alone.
	_ = id.SetTime(min(uint64(ms), ulid.MaxTime()))
	_ = id.SetEntropy(h.Sum(nil)[:10])
	return lowerID(id)
}
