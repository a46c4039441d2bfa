package httpapi

import (
	"context"
	"time"

	"github.com/atocore/atocore"
)

type projectInput struct {
	Name        string   `json:"name" doc:"It cannot be changed."`
	Aliases     []string `json:"aliases,omitempty" doc:"Other names for it."`
	Description string   `json:"description,omitempty" doc:"What it is."`
}

type projectsDoc struct {
	Projects []atocore.Project `json:"projects"`
}

type stateInput struct {
	Key      string `json:"key" doc:"What the fact is about."`
	Value    string `json:"value" doc:"The fact, at most 16 KiB."`
	Category string `json:"category,omitempty" doc:"The default is general."`
	Source   string `json:"source,omitempty" doc:"What to cite for it."`
}

type stateDoc struct {
	State []atocore.StateEntry `json:"state"`
}

type projectName struct {
	Name string `path:"name" doc:"The project's name or alias."`
}

func (s *server) projectRoutes() {
	const tag = "projects"
	add(s, operation{route: "POST /projects", id: "add-project", tag: tag, write: true, errors: []int{409},
		doc: "Add a project, or aliases and a description to one."},
		func(ctx context.Context, in *struct{ Body projectInput }) (atocore.Project, error) {
			return s.store.AddProject(ctx, atocore.Project{Name: in.Body.Name, Aliases: in.Body.Aliases, Description: in.Body.Description})
		})
	add(s, operation{route: "GET /projects", id: "list-projects", tag: tag, doc: "List projects by name."},
		func(ctx context.Context, _ *struct{}) (projectsDoc, error) {
			list, err := s.store.Projects(ctx)
			if list == nil {
				list = []atocore.Project{}
			}
			return projectsDoc{list}, err
		})
	add(s, operation{route: "GET /projects/{name}", id: "get-project", tag: tag, errors: []int{404}, doc: "A project."},
		func(ctx context.Context, in *projectName) (atocore.Project, error) {
			return s.store.Project(ctx, in.Name)
		})
	type listInput struct {
		Name     string    `path:"name" doc:"The project's name or alias."`
		Category string    `query:"category" doc:"Only of this category."`
		AsOf     time.Time `query:"as_of" doc:"As the store stood at that time."`
	}
	add(s, operation{route: "GET /projects/{name}/state", id: "list-state", tag: tag, errors: []int{404},
		doc: "List the trusted facts of a project, which context packs put first."},
		func(ctx context.Context, in *listInput) (stateDoc, error) {
			list, err := s.store.State(ctx, atocore.StateFilter{Project: in.Name, Category: in.Category, AsOf: in.AsOf})
			if list == nil {
				list = []atocore.StateEntry{}
			}
			return stateDoc{list}, err
		})
	type setInput struct {
		Name string `path:"name" doc:"The project's name or alias."`
		Body stateInput
	}
	add(s, operation{route: "PUT /projects/{name}/state", id: "set-state", tag: tag, write: true, errors: []int{404}, doc: "Set a fact."},
		func(ctx context.Context, in *setInput) (atocore.StateEntry, error) {
			b := in.Body
			return s.store.SetState(ctx, atocore.StateEntry{Project: in.Name, Category: b.Category, Key: b.Key, Value: b.Value, Source: b.Source})
		})
	type unsetInput struct {
		Name     string `path:"name" doc:"The project's name or alias."`
		Key      string `query:"key" required:"true" doc:"What the fact is about."`
		Category string `query:"category" doc:"The default is general."`
	}
	add(s, operation{route: "DELETE /projects/{name}/state", id: "unset-state", tag: tag, write: true, errors: []int{404},
		doc: "Remove a fact; the answer is what it was. Its history stays."},
		func(ctx context.Context, in *unsetInput) (atocore.StateEntry, error) {
			return s.store.UnsetState(ctx, in.Name, in.Category, in.Key)
		})
}
