package mcpserver

import (
	"context"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// What a client may take a tool for. None reaches beyond the store.
var (
	no       = false
	yes      = true
	reads    = &mcp.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true, OpenWorldHint: &no}
	adds     = &mcp.ToolAnnotations{DestructiveHint: &no, IdempotentHint: true, OpenWorldHint: &no}
	replaces = &mcp.ToolAnnotations{DestructiveHint: &yes, IdempotentHint: true, OpenWorldHint: &no}
)

// addTools adds the tools. Their descriptions are in every prompt of a client, so
// they are short: a test bounds them all together.
func (s *server) addTools(m *mcp.Server) {
	search := inputSchema[searchInput]()
	upTo(search, "limit", maxLimit, "10")
	upTo(search, "length", maxLength, "1000")
	add(m, &mcp.Tool{
		Name:        "search",
		Description: "Find memories, project facts, passages of documents and past conversations, by words and meaning.",
		Annotations: reads,
		InputSchema: search,
	}, s.search)

	pack := inputSchema[contextInput]()
	upTo(pack, "budget", maxBudget, "2000")
	add(m, &mcp.Tool{
		Name:        "context",
		Description: "Pack what is known for a prompt into a budget, most trusted first, with sources.",
		Annotations: reads,
		InputSchema: pack,
	}, s.context)

	add(m, &mcp.Tool{
		Name:        "remember",
		Description: "Keep a statement for later sessions; one that is known already is reinforced. No secrets.",
		Annotations: adds,
		InputSchema: inputSchema[rememberInput](),
	}, s.remember)

	add(m, &mcp.Tool{
		Name:        "correct",
		Description: "Correct a memory: give a replacement where something else is true, or a reason to withdraw it. Its history stays.",
		Annotations: replaces,
		InputSchema: inputSchema[correctInput](),
	}, s.correct)

	add(m, &mcp.Tool{
		Name:        "project_state",
		Description: "List, set or unset a project's trusted facts, which every context has first. Set only what the user has settled.",
		Annotations: replaces,
		InputSchema: inputSchema[stateInput](),
	}, s.state)

	add(m, &mcp.Tool{
		Name:        "status",
		Description: "Say what the store holds, which projects there are, and which one is the default.",
		Annotations: reads,
		InputSchema: &jsonschema.Schema{Type: "object"},
	}, s.status)
}

// add adds a tool that is run by fn, which returns its result as text and as data.
// Without a text the data stands for it.
func add[In, Out any](m *mcp.Server, tool *mcp.Tool, fn func(context.Context, *mcp.CallToolRequest, In) (string, Out, error)) {
	tool.OutputSchema = outputSchema[Out]()
	mcp.AddTool(m, tool, func(ctx context.Context, req *mcp.CallToolRequest, in In) (*mcp.CallToolResult, Out, error) {
		text, out, err := fn(ctx, req, in)
		if err != nil {
			return nil, out, toolError{err}
		}
		result := &mcp.CallToolResult{}
		if text != "" {
			result.Content = []mcp.Content{&mcp.TextContent{Text: text}}
		}
		return result, out, nil
	})
}
