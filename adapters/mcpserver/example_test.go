package mcpserver_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/mcpserver"
)

func ExampleNewHandler() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "atocore-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := atocore.Open(ctx, dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	mux := http.NewServeMux()
	mux.Handle("/mcp", mcpserver.NewHandler(store, nil))
	server := httptest.NewServer(mux)
	defer server.Close()

	client := mcp.NewClient(&mcp.Implementation{Name: "example", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: server.URL + "/mcp"}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	for _, call := range []mcp.CallToolParams{
		{Name: "remember", Arguments: map[string]any{"type": "note", "content": "Answers are short."}},
		{Name: "correct", Arguments: map[string]any{"id": "01nothing", "reason": "it was never so"}},
		{Name: "search", Arguments: map[string]any{"query": "answers"}},
	} {
		result, err := session.CallTool(ctx, &call)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(result.IsError, result.Content[0].(*mcp.TextContent).Text)
	}
	// Output:
	// true invalid: validating "arguments": validating root: validating /properties/type: enum: note does not equal any of: [identity preference project episodic knowledge adaptation]
	// true not_found: invalidate: memory "01nothing" not found
	// false Nothing found.
}
