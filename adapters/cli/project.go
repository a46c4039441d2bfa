package cli

import (
	"context"
	"strings"

	"github.com/atocore/atocore"
)

type projectCmd struct {
	Add  projectAddCmd  `cmd:"" help:"Add a project, or aliases to one."`
	List projectListCmd `cmd:"" help:"List projects."`
}

type projectAddCmd struct {
	Name string `arg:"" help:"The project's name."`

	Alias       []string `placeholder:"A" sep:"none" help:"Another name for it; may be repeated."`
	Description string   `placeholder:"D" help:"What it is."`
}

func (projectAddCmd) Help() string {
	return `Names and aliases are compared without case.` + examples(
		`atocore project add website --alias www --description "The public site."`,
	)
}

func (c *projectAddCmd) Run(ctx context.Context, s *session) error {
	p := atocore.Project{Name: c.Name, Aliases: c.Alias, Description: c.Description}
	var done atocore.Project
	err := s.withNew(ctx, "", func(store *atocore.Store) (err error) {
		done, err = store.AddProject(ctx, p)
		return err
	})
	if err != nil {
		return err
	}
	return s.out.put(done, func() { s.projectLine(done) })
}

func (s *session) projectLine(p atocore.Project) {
	s.out.line("%-16s  %-20s  %s", p.Name, orDash(strings.Join(p.Aliases, ", ")), oneLine(p.Description, maxCell))
}

type projectListCmd struct{}

func (projectListCmd) Help() string { return examples(`atocore project list`) }

func (c *projectListCmd) Run(ctx context.Context, s *session) error {
	doc := struct {
		Projects []atocore.Project `json:"projects"`
	}{}
	err := s.with(ctx, reads, func(store *atocore.Store) (err error) {
		doc.Projects, err = store.Projects(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if doc.Projects == nil {
		doc.Projects = []atocore.Project{}
	}
	return s.out.put(doc, func() {
		for _, p := range doc.Projects {
			s.projectLine(p)
		}
	})
}
