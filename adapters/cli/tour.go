package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/docs"
)

type tourCmd struct {
	Keep bool `help:"Keep the temporary store, to look around in it."`
}

func (tourCmd) Help() string {
	return `Does the main job for real, in a store of its own: takes in atocore's documentation, remembers statements of every type, corrects one, searches, packs a context, and rehearses a restore. It shows the command for each step and how long the step took.` + examples(
		`atocore tour`,
		`atocore tour --keep`,
	)
}

func (c *tourCmd) Run(ctx context.Context, s *session) (err error) {
	dir, err := os.MkdirTemp("", "atocore-tour-")
	if err != nil {
		return err
	}
	if !c.Keep {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	here := *s
	here.dir = dir
	here.embedder = &chosenEmbedder{} // the tour is the same for everybody, and sends nothing anywhere
	begun := time.Now()               // the first step opens the store
	t := tour{Dir: dir, Kept: c.Keep, began: begun}
	err = here.with(ctx, creates, func(store *atocore.Store) error {
		if err := t.fill(ctx, store); err != nil {
			return err
		}
		if err := t.ask(ctx, store); err != nil {
			return err
		}
		return t.drill(ctx, store.Backup(nil))
	})
	if err != nil {
		return fmt.Errorf("tour: %w", err)
	}
	t.Milliseconds = milliseconds(time.Since(begun))
	return s.out.put(&t, func() { t.print(s) })
}

// A tour is what the command does, and its JSON document.
type tour struct {
	began time.Time // of the step that is running

	Dir          string              `json:"dir"`
	Kept         bool                `json:"kept"`
	Milliseconds float64             `json:"milliseconds"`
	Steps        []tourStep          `json:"steps"`
	Search       atocore.Results     `json:"search"`
	Context      atocore.Pack        `json:"context"`
	Drill        atocore.DrillReport `json:"drill"`
}

type tourStep struct {
	Title        string   `json:"title"`
	Commands     []string `json:"commands"` // that do the same
	Result       []string `json:"result"`
	Milliseconds float64  `json:"milliseconds"`
}

// The tour's words. Nothing of them is in the documentation, so that what is
// found later was remembered.
const (
	tourProject  = "harbour"
	tourQuestion = "On which day does the ferry leave?"
	tourPrompt   = "Write the ferry's notice for the board, and say how we know."
	tourBudget   = 500
	tourOld      = "The ferry leaves on Tuesdays at nine."
	tourNew      = "The ferry leaves on Thursdays at nine, from May on."
	tourDocument = "Which exit code says that a record was not found?"
)

var tourMemories = []atocore.Memory{
	{Type: atocore.Identity, Content: "Ines keeps the harbour office."},
	{Type: atocore.Preference, Content: "Notices are short and in plain words."},
	{Type: atocore.ProjectMemory, Content: tourOld, Project: tourProject, Tags: []string{"timetable"}},
	{Type: atocore.Episodic, Content: "The winter storm closed the east pier for a week.", Project: tourProject},
	{Type: atocore.Knowledge, Content: "The ferry takes forty passengers and no cars.", Project: tourProject},
	{Type: atocore.Adaptation, Content: "Ask about the tide before naming a time."},
}

// done closes a step, whose time runs since the one before.
func (t *tour) done(title string, commands []string, result ...string) {
	now := time.Now()
	t.Steps = append(t.Steps, tourStep{title, commands, result, milliseconds(now.Sub(t.began))})
	t.began = time.Now()
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

// fill brings things into the store.
func (t *tour) fill(ctx context.Context, store *atocore.Store) error {
	project, err := store.AddProject(ctx, atocore.Project{Name: tourProject, Description: "The ferry and its pier."})
	if err != nil {
		return err
	}
	t.done("Make a store, and a project in it",
		[]string{`atocore project add ` + tourProject + ` --description ` + strconv.Quote(project.Description)},
		"a store is made by the first write; this one is in "+t.Dir)

	report, err := store.Ingest(ctx, docs.Pages(), &atocore.IngestOptions{Origin: "docs", Project: tourProject})
	if err != nil {
		return err
	}
	if report.Added == 0 || len(report.Skipped) > 0 {
		return fmt.Errorf("ingest of the documentation: %d added, skipped %v", report.Added, report.Skipped)
	}
	stats, err := store.Stats(ctx)
	if err != nil {
		return err
	}
	t.done("Take in documents: the documentation of atocore itself",
		[]string{`atocore ingest docs --project ` + tourProject},
		fmt.Sprintf("%d documents, cut along their headings into %d chunks", report.Added, stats.Chunks))

	memories, err := store.RememberAll(ctx, tourMemories)
	if err != nil {
		return err
	}
	var commands, lines []string
	for _, m := range memories {
		command := fmt.Sprintf("atocore add %s %q", m.Type, m.Content)
		if m.Project != "" {
			command += " --project " + m.Project
		}
		for _, tag := range m.Tags {
			command += " --tag " + tag
		}
		commands = append(commands, command)
	}
	t.done("Remember statements, one of each type", commands, fmt.Sprintf("%d memories, in one transaction", len(memories)))

	entry, err := store.SetState(ctx, atocore.StateEntry{Project: tourProject, Key: "pier", Value: "Ferries use the west pier."})
	if err != nil {
		return err
	}
	t.done("Settle a fact about the project",
		[]string{fmt.Sprintf("atocore state set %s %q --project %s", entry.Key, entry.Value, entry.Project)},
		"state is the most trusted: a context pack puts it first")

	i := slices.IndexFunc(memories, func(m atocore.Memory) bool { return m.Content == tourOld })
	corrected, err := store.Supersede(ctx, memories[i].ID, atocore.Memory{Content: tourNew})
	if err != nil {
		return err
	}
	history, err := store.History(ctx, memories[i].ID)
	if err != nil {
		return err
	}
	for _, e := range history {
		lines = append(lines, fmt.Sprintf("journal %d: %s %s", e.Seq, e.Op, gist(e.After)))
	}
	t.done("Correct one of them",
		[]string{fmt.Sprintf("atocore supersede %s %q", memories[i].ID, corrected.Content), "atocore history " + memories[i].ID},
		lines...)
	return nil
}

// ask takes things out again, and does not take its own word for it.
func (t *tour) ask(ctx context.Context, store *atocore.Store) error {
	retriever := store.Retriever(nil)
	var err error
	if t.Search, err = retriever.Search(ctx, atocore.Query{Text: tourQuestion, Project: tourProject, Limit: 3}); err != nil {
		return err
	}
	if len(t.Search.Hits) == 0 || t.Search.Hits[0].Text != tourNew {
		return errors.New("the search did not find the corrected memory first")
	}
	t.done("Ask: the correction is found, what it replaced is not",
		[]string{fmt.Sprintf("atocore search %q --project %s --limit 3", tourQuestion, tourProject)}, hits(t.Search)...)

	found, err := retriever.Search(ctx, atocore.Query{Text: tourDocument, Kinds: []atocore.Kind{atocore.KindChunk}, Limit: 2})
	if err != nil {
		return err
	}
	if len(found.Hits) == 0 {
		return errors.New("the search found nothing in the documentation")
	}
	t.done("Ask the documents", []string{fmt.Sprintf("atocore search %q --kind chunk --limit 2", tourDocument)}, hits(found)...)

	t.Context, err = retriever.Context(ctx, atocore.ContextRequest{Prompt: tourPrompt, Project: tourProject, Budget: tourBudget})
	if err != nil {
		return err
	}
	if strings.Contains(t.Context.Text, tourOld) || !strings.Contains(t.Context.Text, tourNew) {
		return errors.New("the context pack does not hold the corrected memory alone")
	}
	t.done("Pack a context for a prompt",
		[]string{fmt.Sprintf("atocore context %q --project %s --budget %d", tourPrompt, tourProject, tourBudget)},
		fmt.Sprintf("%d of %d tokens: %d items, each with its source; %d left out, each with its reason",
			t.Context.Tokens, t.Context.Budget, len(t.Context.Items), len(t.Context.Omitted)))

	report, err := store.Check(ctx)
	if err != nil {
		return err
	}
	if !report.OK {
		return fmt.Errorf("the check found faults: %v", report.Findings)
	}
	t.done("Check the store", []string{"atocore doctor"}, "no faults found")
	return nil
}

// drill proves that what the store holds can be restored.
func (t *tour) drill(ctx context.Context, b *atocore.Backup) error {
	var err error
	if t.Drill, err = b.Drill(ctx, nil); err != nil {
		return err
	}
	if !t.Drill.OK {
		return fmt.Errorf("the drill found faults: %v", t.Drill.Findings)
	}
	t.done("Rehearse the loss of it all: snapshot, restore elsewhere, compare", []string{"atocore backup drill"}, drillLines(t.Drill)...)
	return nil
}

func hits(r atocore.Results) []string {
	var lines []string
	for _, h := range r.Hits {
		lines = append(lines, fmt.Sprintf("%.3f  %s  %s  [%s]", h.Score, h.Kind, oneLine(h.Text, 72), h.Source))
	}
	return lines
}

func (t *tour) print(s *session) {
	for i, step := range t.Steps {
		s.out.line("%d. %s (%s ms)", i+1, step.Title, strconv.FormatFloat(step.Milliseconds, 'f', -1, 64))
		for _, c := range step.Commands {
			s.out.line("   $ %s", c)
		}
		for _, l := range step.Result {
			s.out.line("     %s", l)
		}
		s.out.line("")
	}
	s.out.line("This is the context pack, as a prompt would carry it:")
	s.out.line("")
	for l := range strings.Lines(t.Context.Text) {
		s.out.line("   │ %s", strings.TrimRight(l, "\n"))
	}
	s.out.line("")
	s.out.line("All of it took %s ms.", strconv.FormatFloat(t.Milliseconds, 'f', -1, 64))
	if t.Kept {
		s.out.line("The store stays in %s; look around: atocore --data %s list", t.Dir, t.Dir)
	} else {
		s.out.line("The temporary store is gone again. atocore tour --keep leaves it.")
	}
	s.out.line("")
	s.out.line("Where to go next:")
	s.out.line("   atocore add preference \"Answers in plain words.\"   begins a store of your own, in %s", s.dir)
	s.out.line("   atocore ingest ~/notes                            takes in a folder of yours")
	s.out.line("   atocore --help                                    lists the commands")
	s.out.line("   docs/                                             explains them")
}
