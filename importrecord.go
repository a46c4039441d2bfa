package atocore

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/atocore/atocore/internal/sqlite"
)

// A withdrawal is a memory that is no longer live, and when that was.
type withdrawal struct {
	id, by, reason string
	at             time.Time
}

// withdrawals are the statements that are invalid or superseded and not live in
// another memory.
func withdrawals(tx *sqlite.Tx) (map[string]withdrawal, error) {
	out := map[string]withdrawal{}
	for r, err := range tx.Query(`SELECT content_key, id, coalesce(superseded_by, ''), reason, updated_at FROM memories
		WHERE status IN ('superseded', 'invalid')
		ORDER BY updated_at, id`) {
		if err != nil {
			return nil, err
		}
		out[r.Text(0)] = withdrawal{id: r.Text(1), by: r.Text(2), reason: r.Text(3), at: parseTime(r.Text(4))}
	}
	return out, nil
}

func (w withdrawal) String() string {
	switch {
	case w.by != "":
		return fmt.Sprintf("memory %s, which says the same, was replaced by %s", w.id, w.by)
	case w.reason != "":
		return fmt.Sprintf("memory %s, which says the same, was withdrawn: %s", w.id, w.reason)
	}
	return fmt.Sprintf("memory %s, which says the same, was withdrawn", w.id)
}

func skipped(id, reason string) (ImportChange, error) {
	return ImportChange{Action: actionSkip, ID: id, Reason: reason}, nil
}

func unchanged(id, reason string) (ImportChange, error) {
	return ImportChange{Action: actionUnchanged, ID: id, Reason: reason}, nil
}

// record writes one record that prepare has seen, or decides not to.
func (b *importBatch) record(r Record) (ImportChange, error) {
	switch {
	case r.Project != nil:
		return b.importProject(*r.Project)
	case r.Memory != nil:
		return b.importMemory(*r.Memory, r.Key)
	case r.State != nil:
		return b.importState(*r.State, r.Key)
	case r.Document != nil:
		return b.importDocument(documentRecord{Document: *r.Document, Pieces: r.Chunks}, r)
	case r.Interaction != nil:
		return b.importInteraction(*r.Interaction, r.Key)
	default:
		return b.importProbe(*r.Probe)
	}
}

// project resolves the name of a project, which is made where it is missing.
func (b *importBatch) project(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	found, err := projectNamed(b.tx, name)
	if !isNotFound(err) {
		return found, err
	}
	b.projects = append(b.projects, name)
	return name, b.putProject(opImport, nil, &Project{Name: name, CreatedAt: b.now, UpdatedAt: b.now})
}

// home is the project of a record. One that comes without a project is of the import's,
// unless the store has the record: then it is of the one where it is, in.
func (b *importBatch) home(given, in string, known bool) (string, error) {
	if given != "" || !known {
		return b.project(firstOf(given, b.im.o.Project))
	}
	if wanted := b.im.o.Project; wanted != "" && fold(wanted) != fold(in) {
		named, err := projectNamed(b.tx, wanted)
		switch {
		case err != nil && !isNotFound(err):
			return "", err
		case err != nil || named != in:
			b.elsewhere++
		}
	}
	return in, nil
}

// actor is who wrote a record that does not say so.
func (b *importBatch) recordActor(given string) string {
	return firstOf(given, importPrefix+b.im.o.From)
}

// taken says why an ID cannot be that of a record of the entity, or nothing where it
// can.
func (b *importBatch) taken(entity, id string) (reason string, err error) {
	_, err = b.tx.QueryRow(func(r sqlite.Row) {
		switch other := r.Text(0); other {
		case entity:
		case entityTombstone:
			reason = "it was forgotten here on " + parseTime(r.Text(1)).Format(time.DateOnly)
		default:
			reason = "its ID is that of a " + other
		}
	}, `SELECT entity, time FROM journal WHERE entity_id = ? ORDER BY seq DESC LIMIT 1`, id)
	return reason, err
}

// imported is a record as the last import wrote it; found is false where none did, or
// it was undone.
func imported[T any](tx *sqlite.Tx, id string) (v T, found bool, err error) {
	var e JournalEntry
	found, err = tx.QueryRow(func(r sqlite.Row) { e = scanEntry(r) },
		`SELECT `+journalColumns+` FROM journal WHERE entity_id = ? AND op IN ('import', 'undo_import') ORDER BY seq DESC LIMIT 1`, id)
	if err != nil || !found || e.Op != opImport || e.After == nil {
		return v, false, err
	}
	v, err = decode[T](e)
	return v, true, err
}

// ownFields are the fields of records that a source cannot change.
var ownFields = []string{"ID", "CreatedAt", "UpdatedAt", "Reinforced", "ReinforcedAt", "Actor"}

// differing names the fields in which two records differ, without those in except.
func differing[T any](a, b T, except ...string) (fields []string) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		name := x.Type().Field(i).Name
		if !slices.Contains(except, name) && !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			fields = append(fields, name)
		}
	}
	return fields
}

// merge is old with what the source has changed from base, the record as it was
// imported, to next. A field that was changed in both, to different values, is a
// conflict.
func merge[T any](old, base, next T) (merged T, conflict string) {
	merged = old
	m, o, n := reflect.ValueOf(&merged).Elem(), reflect.ValueOf(old), reflect.ValueOf(next)
	here := differing(old, base, ownFields...)
	for _, name := range differing(base, next, ownFields...) {
		if slices.Contains(here, name) && !reflect.DeepEqual(o.FieldByName(name).Interface(), n.FieldByName(name).Interface()) {
			return old, name
		}
		m.FieldByName(name).Set(n.FieldByName(name))
	}
	return merged, ""
}

// shown are the fields that differ, one a line.
func shown[T any](v T, fields []string) string {
	var lines []string
	for _, name := range fields {
		lines = append(lines, fmt.Sprintf("%s: %v", name, reflect.ValueOf(v).FieldByName(name).Interface()))
	}
	return strings.Join(lines, "\n")
}

// updated reports an update; text is what the record says, before and after.
func updated[T any](id string, before, after T, text func(T) string) ImportChange {
	ch := ImportChange{Action: actionUpdate, ID: id, Before: text(before), After: text(after)}
	if ch.Before == ch.After {
		fields := differing(before, after, ownFields...)
		ch.Before, ch.After = shown(before, fields), shown(after, fields)
	}
	return ch
}

// reconcile decides what becomes of a record that the store has: own says that it
// comes with an ID and a time of change of a store. A reason is why it is to be
// skipped; same is that there is nothing to do.
func reconcile[T any](b *importBatch, old, next T, id string, own bool, oldAt, nextAt time.Time, except ...string) (merged T, same bool, reason string, err error) {
	if len(differing(old, next, append(except, "UpdatedAt")...)) == 0 {
		return old, true, "", nil
	}
	if own {
		if nextAt.Before(oldAt) {
			return old, false, "the store's is newer, of " + oldAt.Format(time.RFC3339), nil
		}
		return next, false, "", nil
	}
	base, found, err := imported[T](b.tx, id)
	if err != nil {
		return old, false, "", err
	}
	if !found {
		base = old
	}
	if b.im.seen[id] && len(differing(base, next, ownFields...)) > 0 {
		return old, false, "the import has another record that is this one, and says something else", nil
	}
	merged, conflict := merge(old, base, next)
	if conflict != "" {
		return old, false, strings.ToLower(conflict) + " was changed here, and in the source, since it was imported", nil
	}
	return merged, len(differing(old, merged, ownFields...)) == 0, "", nil
}

// later is when a record was changed that the source says was changed at t.
func (b *importBatch) later(t, old time.Time) time.Time {
	if t.After(old) {
		return t
	}
	return b.now
}

func (b *importBatch) importMemory(m Memory, key string) (ImportChange, error) {
	own, said := m.ID != "", m.UpdatedAt
	if said.Before(m.CreatedAt) {
		said = m.CreatedAt
	}
	if !own && key != "" {
		m.ID = keyID(firstTime(m.CreatedAt, m.ValidFrom), b.im.o.From, entityMemory, "key", key)
	}
	old, err := memoryByID(b.tx, m.ID)
	found := err == nil
	if !found && !isNotFound(err) {
		return ImportChange{}, err
	}
	if m.Project, err = b.home(m.Project, old.Project, found && !(own && m.UpdatedAt.After(old.UpdatedAt))); err != nil {
		return ImportChange{}, err
	}
	if m.ID == "" {
		m.ID = keyID(firstTime(m.CreatedAt, m.ValidFrom), b.im.o.From, entityMemory, "content", m.key())
		if old, err = memoryByID(b.tx, m.ID); err != nil && !isNotFound(err) {
			return ImportChange{}, err
		}
		found = err == nil
	}
	m.Provenance.Actor = b.recordActor(m.Provenance.Actor)
	if reason, err := b.taken(entityMemory, m.ID); err != nil || reason != "" {
		return ImportChange{Action: actionSkip, ID: m.ID, Reason: reason}, err
	}
	other, live, err := liveMemory(b.tx, m.key())
	if err != nil {
		return ImportChange{}, err
	}
	if found {
		return b.updateMemory(old, m, own)
	}
	if m.live() {
		if live {
			return unchanged(other.ID, "memory "+other.ID+" says the same")
		}
		if w, found := b.im.withdrawn[m.key()]; found && !said.After(w.at) {
			return skipped(m.ID, w.String())
		}
	}
	m.CreatedAt = firstTime(m.CreatedAt, b.now)
	m.UpdatedAt = firstTime(m.UpdatedAt, b.now)
	return ImportChange{Action: actionAdd, ID: m.ID}, b.putMemory(opImport, nil, &m)
}

func (b *importBatch) updateMemory(old, next Memory, own bool) (ImportChange, error) {
	at := next.UpdatedAt
	own = own && !at.IsZero()
	next.CreatedAt = firstTime(next.CreatedAt, old.CreatedAt)
	m, same, reason, err := reconcile(b, old, next, old.ID, own, old.UpdatedAt, at)
	switch {
	case err != nil:
		return ImportChange{}, err
	case reason != "":
		return skipped(old.ID, reason)
	case same:
		return unchanged(old.ID, "")
	case !own && !old.live() && next.live():
		return skipped(old.ID, fmt.Sprintf("it is %s here", old.Status))
	}
	if !own {
		m.UpdatedAt = b.later(at, old.UpdatedAt)
	}
	if m.live() {
		other, found, err := liveMemory(b.tx, m.key())
		if err != nil {
			return ImportChange{}, err
		}
		if found && other.ID != m.ID {
			return skipped(m.ID, "memory "+other.ID+" says the same")
		}
	}
	return updated(m.ID, old, m, func(m Memory) string { return m.Content }), b.putMemory(opImport, &old, &m)
}

func (b *importBatch) importState(e StateEntry, key string) (ImportChange, error) {
	var err error
	if e.Project, err = b.project(e.Project); err != nil {
		return ImportChange{}, err
	}
	own := e.ID != "" && !e.UpdatedAt.IsZero()
	if e.ID == "" {
		parts := []string{b.im.o.From, entityState, "key", key}
		if key == "" {
			parts = []string{b.im.o.From, entityState, "content", e.Project, e.Category, e.Key}
		}
		e.ID = keyID(e.CreatedAt, parts...)
	}
	e.Actor = b.recordActor(e.Actor)
	if reason, err := b.taken(entityState, e.ID); err != nil || reason != "" {
		return ImportChange{Action: actionSkip, ID: e.ID, Reason: reason}, err
	}
	moved, found, err := stateByID(b.tx, e.ID)
	if err != nil {
		return ImportChange{}, err
	}
	if found && (moved.Project != e.Project || moved.Category != e.Category || moved.Key != e.Key) {
		return skipped(e.ID, fmt.Sprintf("its ID is that of %s/%s/%s", moved.Project, moved.Category, moved.Key))
	}
	old, found, err := stateByKey(b.tx, e.Project, e.Category, e.Key)
	if err != nil {
		return ImportChange{}, err
	}
	if !found {
		e.CreatedAt = firstTime(e.CreatedAt, b.now)
		e.UpdatedAt = firstTime(e.UpdatedAt, b.now)
		return ImportChange{Action: actionAdd, ID: e.ID}, b.putState(opImport, nil, &e)
	}
	at := e.UpdatedAt
	e.ID, e.CreatedAt = old.ID, old.CreatedAt
	if _, before, err := imported[StateEntry](b.tx, old.ID); err != nil {
		return ImportChange{}, err
	} else if !before && !own && (old.Value != e.Value || old.Source != e.Source) {
		// State is what somebody has decided.
		return skipped(old.ID, "the store has another value, which was not imported; give updated_at to replace it")
	}
	next, same, reason, err := reconcile(b, old, e, old.ID, own, old.UpdatedAt, at, "Actor")
	switch {
	case err != nil:
		return ImportChange{}, err
	case reason != "":
		return skipped(old.ID, reason)
	case same:
		return unchanged(old.ID, "")
	}
	if !own {
		next.Actor, next.UpdatedAt = e.Actor, b.later(at, old.UpdatedAt)
	}
	return updated(old.ID, old, next, func(e StateEntry) string { return e.Value }), b.putState(opImport, &old, &next)
}

func (b *importBatch) importInteraction(i Interaction, key string) (ImportChange, error) {
	given := i.Project
	if i.ID == "" {
		parts := []string{b.im.o.From, entityInteraction, "key", key}
		switch {
		case key != "":
		case i.Turn != "":
			parts = []string{b.im.o.From, entityInteraction, "turn", i.Client, i.Session, i.Turn}
		default:
			var err error
			if given, err = b.project(firstOf(given, b.im.o.Project)); err != nil {
				return ImportChange{}, err
			}
			parts = []string{b.im.o.From, entityInteraction, "content", given, i.Client, i.Session, i.Prompt, i.Response}
		}
		i.ID = keyID(i.CreatedAt, parts...)
	}
	old, found, err := interactionByID(b.tx, i.ID)
	if err != nil {
		return ImportChange{}, err
	}
	if i.Project, err = b.home(given, old.Project, found); err != nil {
		return ImportChange{}, err
	}
	i.Actor = b.recordActor(i.Actor)
	if reason, err := b.taken(entityInteraction, i.ID); err != nil || reason != "" {
		return ImportChange{Action: actionSkip, ID: i.ID, Reason: reason}, err
	}
	other, same, err := interactionByTurn(b.tx, &i)
	if err != nil {
		return ImportChange{}, err
	}
	if same && other.ID != i.ID {
		return unchanged(other.ID, "interaction "+other.ID+" is the same turn")
	}
	if !found {
		i.CreatedAt = firstTime(i.CreatedAt, b.now)
		return ImportChange{Action: actionAdd, ID: i.ID}, b.putInteraction(opImport, nil, &i)
	}
	// An interaction has no time of change: it is history, and changes where its
	// source does.
	i.CreatedAt = firstTime(i.CreatedAt, old.CreatedAt)
	next, same, reason, err := reconcile(b, old, i, i.ID, false, time.Time{}, time.Time{})
	switch {
	case err != nil:
		return ImportChange{}, err
	case reason != "":
		return skipped(i.ID, reason)
	case same:
		return unchanged(i.ID, "")
	}
	return updated(i.ID, old, next, func(i Interaction) string { return joinText(i.Prompt, i.Response) }), b.putInteraction(opImport, &old, &next)
}

func (b *importBatch) importDocument(d documentRecord, r Record) (ImportChange, error) {
	given, own := d.Project, d.ID != "" && !d.UpdatedAt.IsZero()
	if d.ID == "" {
		parts := []string{b.im.o.From, entityDocument, "key", r.Key}
		if r.Key == "" {
			var err error
			if given, err = b.project(firstOf(given, b.im.o.Project)); err != nil {
				return ImportChange{}, err
			}
			parts = []string{b.im.o.From, entityDocument, "path", given, d.Origin, d.Path}
		}
		d.ID = keyID(firstTime(d.CreatedAt, d.Time), parts...)
	}
	old, found, err := documentByID(b.tx, d.ID)
	if err != nil {
		return ImportChange{}, err
	}
	if d.Project, err = b.home(given, old.Project, found && !(own && d.UpdatedAt.After(old.UpdatedAt))); err != nil {
		return ImportChange{}, err
	}
	d.Actor = b.recordActor(d.Actor)
	if reason, err := b.taken(entityDocument, d.ID); err != nil || reason != "" {
		return ImportChange{Action: actionSkip, ID: d.ID, Reason: reason}, err
	}
	there, taken, err := documentByPath(b.tx, d.Project, d.Origin, d.Path)
	switch {
	case err != nil:
		return ImportChange{}, err
	case found && taken && there.ID != old.ID:
		return skipped(d.ID, "document "+there.ID+" has its path")
	case !found && taken:
		old, found = there, true
	}
	if !found {
		d.CreatedAt = firstTime(d.CreatedAt, b.now)
		d.UpdatedAt = firstTime(d.UpdatedAt, b.now)
		return ImportChange{Action: actionAdd, ID: d.ID}, b.storeDocument(nil, &d, r.Original)
	}
	at := d.UpdatedAt
	d.ID, d.CreatedAt = old.ID, firstTime(d.CreatedAt, old.CreatedAt)
	d.Kept = d.Kept || old.Kept && old.SHA256 == d.SHA256 // an import without it does not lose it
	next, same, reason, err := reconcile(b, old, d.Document, old.ID, own, old.UpdatedAt, at, "Actor", "CreatedAt")
	switch {
	case err != nil:
		return ImportChange{}, err
	case reason != "":
		return skipped(old.ID, reason)
	case same:
		if r.Original != nil && old.SHA256 == d.SHA256 && !b.dry {
			// It may have been lost.
			err = b.s.keepOriginal(d.SHA256, r.Original)
		}
		return ImportChange{Action: actionUnchanged, ID: old.ID}, err
	}
	if !own {
		next.Actor, next.UpdatedAt = d.Actor, b.later(at, old.UpdatedAt)
	}
	pieces, err := chunksOf(b.tx, old.ID)
	if err != nil {
		return ImportChange{}, err
	}
	after := documentRecord{Document: next, Pieces: d.Pieces}
	after.Kept = d.Kept
	if next.SHA256 != d.SHA256 {
		// Its text was changed here, and other fields in the source.
		after.Kept, after.Pieces, r.Original = old.Kept, pieces, nil
	}
	after.Document.Chunks = len(after.Pieces)
	ch := updated(old.ID, old, after.Document, func(d Document) string { return "" })
	if old.SHA256 != next.SHA256 {
		ch.Before, ch.After = textsBut(pieces, after.Pieces), textsBut(after.Pieces, pieces)
	}
	return ch, b.storeDocument(&old, &after, r.Original)
}

// textsBut are the texts of chunks that are not among others.
func textsBut(chunks, others []Chunk) string {
	known := map[string]bool{}
	for i := range others {
		known[others[i].Text] = true
	}
	var out []string
	for i := range chunks {
		if !known[chunks[i].Text] {
			out = append(out, chunks[i].Text)
		}
	}
	return strings.Join(out, "\n")
}

// storeDocument writes a document as it is, in place of before.
func (b *importBatch) storeDocument(before *Document, d *documentRecord, original []byte) error {
	for i := range d.Pieces {
		ch := &d.Pieces[i]
		ch.Document = d.ID
		ch.ID = d.ID + "." + strconv.Itoa(ch.Ordinal)
		if len(ch.Heading) == 0 {
			ch.Heading = nil
		}
	}
	if d.Kept && original != nil && !b.dry {
		// Before the commit that refers to it, and under the write lock, so that
		// nobody sweeps it up.
		if err := b.s.keepOriginal(d.SHA256, original); err != nil {
			return err
		}
	}
	if before != nil && before.Kept && before.SHA256 != d.SHA256 {
		b.replaced = append(b.replaced, before.SHA256)
	}
	if err := b.writeDocument(d); err != nil {
		return err
	}
	return b.journal(opImport, entityDocument, d.ID, before, d)
}

// importProject adds a project, or its aliases and description to the one of the
// name. Aliases that are other projects' are left out.
func (b *importBatch) importProject(p Project) (ImportChange, error) {
	old, err := projectByName(b.tx, p.Name)
	found := err == nil
	switch {
	case found && fold(old.Name) != fold(p.Name):
		return skipped(p.Name, fmt.Sprintf("%q is an alias of project %q", p.Name, old.Name))
	case !found && !isNotFound(err):
		return ImportChange{}, err
	}
	next := old
	if !found {
		next = Project{Name: p.Name, CreatedAt: firstTime(p.CreatedAt, b.now)}
	}
	if p.Description != "" && (old.Description == "" || p.UpdatedAt.After(old.UpdatedAt)) {
		next.Description = p.Description
	}
	var reasons []string
	next.Aliases = slices.Clone(next.Aliases)
	for _, a := range p.Aliases {
		owner, err := projectByName(b.tx, a)
		same := func(n string) bool { return fold(n) == fold(a) }
		switch {
		case err != nil && !isNotFound(err):
			return ImportChange{}, err
		case err == nil && owner.Name != next.Name:
			reasons = append(reasons, fmt.Sprintf("alias %q is left out: it is project %q", a, owner.Name))
		case same(next.Name) || slices.ContainsFunc(next.Aliases, same):
		case len(next.Aliases) == maxTags:
			reasons = append(reasons, fmt.Sprintf("alias %q is left out: there are %d", a, maxTags))
		default:
			next.Aliases = append(next.Aliases, a)
		}
	}
	slices.Sort(next.Aliases)
	reason := strings.Join(reasons, "; ")
	if !found {
		next.UpdatedAt = firstTime(p.UpdatedAt, b.now)
		return ImportChange{Action: actionAdd, ID: next.Name, Reason: reason}, b.putProject(opImport, nil, &next)
	}
	if len(differing(old, next)) == 0 {
		return unchanged(old.Name, reason)
	}
	next.UpdatedAt = b.later(p.UpdatedAt, old.UpdatedAt)
	ch := updated(old.Name, old, next, func(p Project) string { return p.Description })
	ch.Reason = reason
	return ch, b.putProject(opImport, &old, &next)
}

func (b *importBatch) importProbe(p Probe) (ImportChange, error) {
	var err error
	if p.Project, err = b.project(firstOf(p.Project, b.im.o.Project)); err != nil {
		return ImportChange{}, err
	}
	found, err := b.tx.QueryRow(func(sqlite.Row) {}, `SELECT 1 FROM probes WHERE query = ? AND project = ?`, p.Query, p.Project)
	if err != nil {
		return ImportChange{}, err
	}
	if found {
		return unchanged("", "")
	}
	p.CreatedAt = firstTime(p.CreatedAt, b.now)
	b.written.Probes = append(b.written.Probes, p)
	return ImportChange{Action: actionAdd}, insertProbe(b.tx, p)
}
