package atocore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/atocore/atocore/internal/sqlite"
)

// A Project is a scope: a memory or document belongs to one project or to
// none. Names and aliases are compared without case and share one namespace.
type Project struct {
	Name        string    `json:"name"` // cannot be changed
	Aliases     []string  `json:"aliases,omitempty"`
	Description string    `json:"description,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

// AddProject adds a project, or, where p.Name is one already, adds p's aliases
// and takes over a description that is not empty. It fails with ErrConflict
// where a name or alias belongs to another project.
func (s *Store) AddProject(ctx context.Context, p Project) (Project, error) {
	if err := p.validate(); err != nil {
		return Project{}, fmt.Errorf("add project: %w", err)
	}
	var out Project
	err := s.write(ctx, nil, func(c *change) (err error) {
		out, err = c.addProject(p)
		return err
	})
	if err != nil {
		return Project{}, fmt.Errorf("add project: %w", err)
	}
	return out, nil
}

func (p *Project) validate() error {
	for i, n := range append([]string{p.Name}, p.Aliases...) {
		field := "name"
		if i > 0 {
			field = fmt.Sprintf("aliases[%d]", i-1)
		}
		if strings.TrimSpace(n) != n || n == "" {
			return invalid(field, "is empty, or begins or ends with white space", "")
		}
		if err := checkName(field, n); err != nil {
			return err
		}
	}
	if len(p.Aliases) > maxTags {
		return invalid("aliases", fmt.Sprintf("are %d, more than %d", len(p.Aliases), maxTags), "")
	}
	return checkOptional("description", p.Description, maxValueBytes, "")
}

func (c *change) addProject(p Project) (Project, error) {
	next := Project{Name: p.Name, CreatedAt: c.now}
	var before *Project
	old, err := projectByName(c.tx, p.Name)
	switch {
	case err == nil:
		if fold(old.Name) != fold(p.Name) {
			return Project{}, conflictError(fmt.Sprintf("%q is an alias of project %q", p.Name, old.Name))
		}
		before, next = &old, old
	case !isNotFound(err):
		return Project{}, err
	}
	if p.Description != "" {
		next.Description = p.Description
	}
	next.Aliases = slices.Clone(next.Aliases)
	for _, a := range p.Aliases {
		owner, err := projectByName(c.tx, a)
		switch {
		case err == nil && owner.Name != next.Name:
			return Project{}, conflictError(fmt.Sprintf("%q belongs to project %q", a, owner.Name))
		case err != nil && !isNotFound(err):
			return Project{}, err
		}
		same := func(b string) bool { return fold(b) == fold(a) }
		if !same(next.Name) && !slices.ContainsFunc(next.Aliases, same) {
			next.Aliases = append(next.Aliases, a)
		}
	}
	if len(next.Aliases) > maxTags {
		return Project{}, invalid("aliases", fmt.Sprintf("would be %d, more than %d", len(next.Aliases), maxTags), "")
	}
	slices.Sort(next.Aliases)
	if before != nil && next.Description == old.Description && slices.Equal(next.Aliases, old.Aliases) {
		return old, nil
	}
	next.UpdatedAt = c.now
	return next, c.putProject("project", before, &next)
}

func (c *change) putProject(op string, before, after *Project) error {
	if err := insertProject(c.tx, after); err != nil {
		return err
	}
	return c.journal(op, entityProject, after.Name, before, after)
}

func insertProject(tx *sqlite.Tx, p *Project) error {
	if _, err := tx.Exec(`INSERT INTO projects (name, aliases, description, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET
			aliases = excluded.aliases,
			description = excluded.description,
			updated_at = excluded.updated_at`,
		p.Name, jsonText(p.Aliases, "[]"), p.Description, timeText(p.CreatedAt), timeText(p.UpdatedAt)); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM project_names WHERE project = ?`, p.Name); err != nil {
		return err
	}
	for _, n := range append([]string{p.Name}, p.Aliases...) {
		if _, err := tx.Exec(`INSERT INTO project_names (key, project) VALUES (?, ?) ON CONFLICT (key) DO NOTHING`, fold(n), p.Name); err != nil {
			return err
		}
	}
	return nil
}

// Project returns the project with the name or alias, or ErrNotFound.
func (s *Store) Project(ctx context.Context, name string) (Project, error) {
	var p Project
	err := s.read(ctx, func(tx *sqlite.Tx) (err error) {
		p, err = projectByName(tx, name)
		return err
	})
	if err != nil {
		return Project{}, fmt.Errorf("read project: %w", err)
	}
	return p, nil
}

// Projects lists all projects by name.
func (s *Store) Projects(ctx context.Context) ([]Project, error) {
	var all []Project
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		for r, err := range tx.Query(`SELECT ` + projectColumns + ` FROM projects ORDER BY name`) {
			if err != nil {
				return err
			}
			all = append(all, scanProject(r))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list projects: %w", err)
	}
	return all, nil
}

const projectColumns = `name, aliases, description, created_at, updated_at`

func scanProject(r sqlite.Row) Project {
	return Project{
		Name:        r.Text(0),
		Aliases:     parseTags(r.Text(1)),
		Description: r.Text(2),
		CreatedAt:   parseTime(r.Text(3)),
		UpdatedAt:   parseTime(r.Text(4)),
	}
}

func projectByName(tx *sqlite.Tx, name string) (Project, error) {
	if err := checkName("project", name); err != nil {
		return Project{}, err
	}
	var p Project
	found, err := tx.QueryRow(func(r sqlite.Row) { p = scanProject(r) },
		`SELECT `+projectColumns+` FROM projects WHERE name = (SELECT project FROM project_names WHERE key = ?)`, fold(name))
	if err != nil || found {
		return p, err
	}
	return p, &NotFoundError{Kind: "project", ID: name, Hint: knownProjects(tx)}
}

// projectNamed resolves a name or alias to the project's name.
func projectNamed(tx *sqlite.Tx, name string) (string, error) {
	p, err := projectByName(tx, name)
	return p.Name, err
}

// projectFilter is projectNamed for a filter, where empty is every project.
func projectFilter(tx *sqlite.Tx, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	return projectNamed(tx, name)
}

// knownProjects is what to say to somebody who asked for one that is not there.
func knownProjects(tx *sqlite.Tx) string {
	const most = 8
	var names []string
	for r, err := range tx.Query(`SELECT name FROM projects ORDER BY name LIMIT ?`, most+1) {
		if err != nil {
			return ""
		}
		names = append(names, r.Text(0))
	}
	switch {
	case len(names) == 0:
		return "there is no project yet; add it first"
	case len(names) > most:
		return "add it first; there are " + strings.Join(names[:most], ", ") + " and more"
	default:
		return "add it first; there are " + strings.Join(names, ", ")
	}
}

// fold makes names comparable without case and without regard to how accents are
// encoded.
func fold(name string) string { return norm.NFC.String(cases.Fold().String(norm.NFD.String(name))) }
