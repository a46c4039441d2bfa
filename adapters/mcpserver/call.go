package mcpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/wire"
)

// receive goes around every request.
func (s *server) receive(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		switch r := req.(type) {
		case *mcp.CallToolRequest:
			return s.call(ctx, method, r, next)
		case *mcp.SubscriptionsListenRequest:
			// It would hold a connection open for news that never come.
			return nil, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "there is nothing to subscribe to: the tools are always the same"}
		}
		return next(ctx, method, req)
	}
}

// call runs a tool as its client, within the time that a call may take, and turns
// what fails into a result.
func (s *server) call(ctx context.Context, method string, req *mcp.CallToolRequest, next mcp.MethodHandler) (result mcp.Result, err error) {
	client := clientName(req)
	ctx, cancel := context.WithTimeout(atocore.WithActor(ctx, actor(client)), s.opts.Timeout)
	defer cancel()
	if err := wire.Check(req.Params.Arguments); err != nil {
		// What would be kept is another text than what was sent.
		return failed(toolError{&atocore.InvalidError{Field: "arguments", Reason: err.Error()}}), nil
	}
	began := time.Now()
	var failure error
	defer func() {
		if r := recover(); r != nil { // a library's fault must not end the process that serves everybody
			s.log.Error("a tool panicked", "tool", req.Params.Name, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			failure = toolError{errors.New("the server has a fault, which is in its log")}
			result, err = failed(failure), nil
		}
		code := codeOf(failure)
		level := slog.LevelDebug
		if !slices.Contains(clientsOwn, code) {
			level = slog.LevelWarn
		}
		s.log.Log(ctx, level, "tool called", "tool", req.Params.Name, "client", client, "code", code, "took", time.Since(began))
	}()
	result, err = next(ctx, method, req)
	if r, ok := result.(*mcp.CallToolResult); ok && err == nil && r.IsError {
		failure = r.GetError()
		return failed(failure), nil
	}
	failure = err
	return result, err
}

// A toolError is what a tool returned. Any other error of a call is one of its
// arguments, which do not fit the tool's schema.
type toolError struct{ err error }

func (e toolError) Error() string { return e.err.Error() }
func (e toolError) Unwrap() error { return e.err }

// clientsOwn are the codes of what is no concern of the server's keeper.
var clientsOwn = []string{"", "invalid", "not_found", "conflict", "canceled"}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if tool, ok := errors.AsType[toolError](err); ok {
		return atocore.ErrorCode(tool.err)
	}
	return atocore.ErrorCode(atocore.ErrInvalid)
}

// hints say what to do about what an error does not say itself.
var hints = map[string]string{
	"busy":     "another program is writing; try again",
	"in_use":   "a restore is running; try again later",
	"timeout":  "try again, or ask for less",
	"conflict": "search for what holds now",
}

// maxFailure bounds what is said of a failure, in characters: it may quote what
// was sent.
const maxFailure = 2000

// failed is the result of a call that failed.
func failed(err error) *mcp.CallToolResult {
	code := codeOf(err)
	text := line(code+": "+err.Error(), maxFailure)
	if hint := hints[code]; hint != "" {
		text += " (" + hint + ")"
	}
	return &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

// line is s as one line of at most so many characters.
func line(s string, most int) string {
	r := []rune(strings.Join(strings.Fields(atocore.Visible(s)), " "))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}

// projectHeader names the project that a client of streamable HTTP works on.
const projectHeader = "Atocore-Project"

// project is what a call is about: what it says, else what its client's connection
// says, else the server's. Empty is no project in particular.
func (s *server) project(ctx context.Context, req *mcp.CallToolRequest, said *string) (string, error) {
	name, known := s.named(req, said)
	if known || s.opts.Workspace == (atocore.Workspace{}) {
		return name, nil
	}
	p, err := s.store.WorkspaceProject(ctx, s.opts.Workspace)
	if errors.Is(err, atocore.ErrNotFound) {
		return "", nil
	}
	return p.Name, err
}

// projectToWrite is project for what is to be kept: a repository that has none gets
// one.
func (s *server) projectToWrite(ctx context.Context, req *mcp.CallToolRequest, said *string) (string, error) {
	name, known := s.named(req, said)
	if known || s.opts.Workspace == (atocore.Workspace{}) {
		return name, nil
	}
	p, err := s.store.AddWorkspaceProject(ctx, s.opts.Workspace)
	if errors.Is(err, atocore.ErrNotFound) {
		return "", nil
	}
	return p.Name, err
}

// named is the project that somebody has named, if anybody has.
func (s *server) named(req *mcp.CallToolRequest, said *string) (name string, known bool) {
	if said != nil {
		return *said, true
	}
	if req.Extra != nil && req.Extra.Header != nil {
		if name := req.Extra.Header.Get(projectHeader); name != "" {
			return name, true
		}
	}
	return s.opts.Project, s.opts.Project != ""
}

// maxClient bounds a client's name, in characters.
const maxClient = 64

// clientName is what the client calls itself, in characters that no list has to
// quote. Over HTTP, clients of protocols before 2026-07-28 say so only at the
// beginning, which a server without sessions has forgotten: then it is the first
// word of the User-Agent.
func clientName(req *mcp.CallToolRequest) string {
	name := ""
	if info := req.ClientInfo(); info != nil {
		name = info.Name
	}
	if name == "" && req.Extra != nil && req.Extra.Header != nil {
		name, _, _ = strings.Cut(req.Extra.Header.Get("User-Agent"), "/")
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-._", r) {
			return r
		}
		return '-'
	}, strings.TrimSpace(name))
	if r := []rune(name); len(r) > maxClient {
		name = string(r[:maxClient])
	}
	return name
}

// actor is who the journal says has made a change.
func actor(client string) string {
	if client == "" {
		return "mcp"
	}
	return "mcp:" + client
}
