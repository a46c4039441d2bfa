package atocore

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/atocore/atocore/internal/redact"
	"github.com/atocore/atocore/internal/sqlite"
)

// A Workspace is a working directory, with what tells which project it belongs to.
type Workspace struct {
	Dir       string `json:"dir,omitempty"`        // absolute
	Root      string `json:"root,omitempty"`       // of the work tree; empty outside of one
	CommonDir string `json:"common_dir,omitempty"` // git's, shared by all work trees of a repository
	Remote    string `json:"remote,omitempty"`     // normalised: github.com/acme/tool
}

// clean is the workspace without paths that have a secret in them.
func (w Workspace) clean() Workspace {
	for _, s := range []*string{&w.Dir, &w.Root, &w.CommonDir, &w.Remote} {
		if redact.Text(*s) != *s {
			*s = ""
		}
	}
	return w
}

// repository is what the workspace's repository is called, empty outside of one.
func (w *Workspace) repository() string {
	if w.Remote != "" {
		return path.Base(w.Remote)
	}
	dir := w.CommonDir
	if filepath.Base(dir) == ".git" {
		dir = filepath.Dir(dir)
	}
	return baseName(strings.TrimSuffix(dir, ".git"))
}

// names are what a new project of the workspace may be called, best first.
func (w *Workspace) names() []string {
	base := w.repository()
	out := []string{base}
	if w.Remote != "" {
		parts := strings.Split(w.Remote, "/")
		if n := len(parts); n > 2 {
			out = append(out, parts[n-2]+"-"+base)
		}
		out = append(out, strings.Join(parts, "-"))
	} else if parent := baseName(filepath.Dir(filepath.Dir(w.CommonDir))); parent != "" {
		out = append(out, parent+"-"+base)
	}
	for n := 2; n < 100; n++ {
		out = append(out, base+"-"+strconv.Itoa(n))
	}
	return out
}

// aliases are by what the workspace's project is found again.
func (w *Workspace) aliases() []string {
	var out []string
	for _, a := range []string{w.Remote, w.CommonDir} {
		if usableName(a) {
			out = append(out, a)
		}
	}
	return out
}

// baseName is the last element of a path, empty where it has none.
func baseName(dir string) string {
	if dir == "" {
		return ""
	}
	switch base := filepath.Base(dir); base {
	case ".", "..", string(filepath.Separator):
		return ""
	default:
		return base
	}
}

func usableName(s string) bool {
	p := Project{Name: s}
	return p.validate() == nil
}

// WorkspaceProject is the project that a workspace belongs to, ErrNotFound if none.
// It is the project that has as its name or an alias, in this order: the directory,
// or one above it up to the root of the work tree, as an absolute path; the remote;
// git's common directory; the name of the repository, unless the project's aliases
// say that it is of another repository of that name; the name of the root, or
// outside of a work tree of the directory, likewise.
func (s *Store) WorkspaceProject(ctx context.Context, w Workspace) (Project, error) {
	var p Project
	err := s.read(ctx, func(tx *sqlite.Tx) (err error) {
		p, err = workspaceProject(tx, &w)
		return err
	})
	if err != nil {
		return Project{}, fmt.Errorf("find the project of a workspace: %w", err)
	}
	return p, nil
}

// AddWorkspaceProject is WorkspaceProject, and makes a project where a repository
// has none: it is named after the repository, or where another has that name, after
// its owner and the repository, and has the remote and git's common directory as
// aliases. Outside of a repository it makes none and fails with ErrNotFound.
func (s *Store) AddWorkspaceProject(ctx context.Context, w Workspace) (Project, error) {
	p, err := s.WorkspaceProject(ctx, w)
	if !errors.Is(err, ErrNotFound) || w.CommonDir == "" {
		return p, err
	}
	err = s.write(ctx, nil, func(c *change) (err error) {
		p, err = c.addWorkspaceProject(&w)
		return err
	})
	if err != nil {
		return Project{}, fmt.Errorf("add the project of a workspace: %w", err)
	}
	return p, nil
}

func (c *change) addWorkspaceProject(w *Workspace) (Project, error) {
	if p, err := workspaceProject(c.tx, w); !isNotFound(err) {
		return p, err // somebody else was faster
	}
	for _, name := range w.names() {
		if !usableName(name) {
			continue
		}
		switch _, err := projectByName(c.tx, name); {
		case err == nil:
			continue
		case !isNotFound(err):
			return Project{}, err
		}
		return c.addProject(Project{Name: name, Aliases: w.aliases()})
	}
	return Project{}, w.notFound()
}

func (w *Workspace) notFound() error {
	return &NotFoundError{Kind: "project", ID: w.Dir, Hint: "add one with the directory as an alias"}
}

func workspaceProject(tx *sqlite.Tx, w *Workspace) (Project, error) {
	find := func(name string, accept func(*Project) bool) (Project, bool, error) {
		if !usableName(name) {
			return Project{}, false, nil
		}
		p, err := projectByName(tx, name)
		if isNotFound(err) || err == nil && accept != nil && !accept(&p) {
			return Project{}, false, nil
		}
		return p, err == nil, err
	}
	for _, dir := range w.above() {
		if p, ok, err := find(dir, nil); ok || err != nil {
			return p, err
		}
	}
	for _, name := range []string{w.Remote, w.CommonDir} {
		if p, ok, err := find(name, nil); ok || err != nil {
			return p, err
		}
	}
	here := w.Root
	if here == "" {
		here = w.Dir
	}
	for _, name := range []string{w.repository(), baseName(here)} {
		if p, ok, err := find(name, w.mayBe); ok || err != nil {
			return p, err
		}
	}
	return Project{}, w.notFound()
}

// above lists the directory and those above it, up to the root of the work tree.
func (w *Workspace) above() []string {
	const most = 64
	var out []string
	for dir := w.Dir; dir != "" && len(out) < most; dir = filepath.Dir(dir) {
		out = append(out, dir)
		if dir == w.Root || dir == filepath.Dir(dir) {
			break
		}
	}
	return out
}

// mayBe reports whether a project of the workspace's name can be that of its
// repository: one whose aliases are those of another cannot.
func (w *Workspace) mayBe(p *Project) bool {
	if w.CommonDir == "" {
		return true
	}
	for _, a := range p.Aliases {
		if filepath.IsAbs(a) || isRemote(a) {
			return false // w's own would have been found by that
		}
	}
	return true
}

// isRemote reports whether an alias has the form of a normalised remote.
func isRemote(alias string) bool {
	host, rest, ok := strings.Cut(alias, "/")
	return ok && rest != "" && strings.ContainsAny(host, ".:") && !strings.ContainsAny(alias, " ")
}
