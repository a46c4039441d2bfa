package mcpserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atocore/atocore"
)

// Bounds of what a client may send at once, in bytes.
const (
	maxMessage = 8 << 20
	maxBody    = 4 << 20
)

// Serve serves one client that writes its messages to in and reads the answers
// from out, a line each, until in ends or ctx is done. What was read by then is
// answered; calls that run when ctx is done are cancelled. Both are the ordinary
// end and no error. A message that is no JSON, or longer than 8 MiB, ends it with
// one.
//
// A read from in that is under way is left behind when ctx is done.
func Serve(ctx context.Context, store *atocore.Store, o *Options, in io.Reader, out io.Writer) error {
	m := New(store, o)
	m.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(call context.Context, method string, req mcp.Request) (mcp.Result, error) {
			call, cancel := context.WithCancel(call)
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			return next(call, method, req)
		}
	})
	transport := &mcp.IOTransport{Reader: io.NopCloser(in), Writer: unclosed{out}, MaxLineLength: maxMessage}
	if err := m.Run(ctx, &answering{transport: transport}); ctx.Err() == nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// unclosed is a writer that is not this package's to close.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

// answering is a transport that ends when its client has no more to say and
// everything that it said is answered. The SDK ends at once, and cancels what
// still runs.
type answering struct{ transport mcp.Transport }

func (a *answering) Connect(ctx context.Context) (mcp.Connection, error) {
	c, err := a.transport.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &answeringConn{Connection: c, idle: make(chan struct{}), closed: make(chan struct{})}, nil
}

type answeringConn struct {
	mcp.Connection

	mu      sync.Mutex
	running map[jsonrpc.ID]struct{}
	ended   bool          // nothing more comes in
	idle    chan struct{} // closed once it has ended and nothing runs
	closed  chan struct{}
	closing sync.Once
}

func (c *answeringConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	msg, err := c.Connection.Read(ctx)
	if err != nil { // the end, or what cannot be read on from
		c.update(func() { c.ended = true })
		select {
		case <-c.idle:
		case <-c.closed:
		case <-ctx.Done():
		}
	}
	if req, ok := msg.(*jsonrpc.Request); ok && req.IsCall() {
		c.update(func() {
			if c.running == nil {
				c.running = map[jsonrpc.ID]struct{}{}
			}
			c.running[req.ID] = struct{}{}
		})
	}
	return msg, err
}

func (c *answeringConn) Write(ctx context.Context, msg jsonrpc.Message) error {
	err := c.Connection.Write(ctx, msg)
	if resp, ok := msg.(*jsonrpc.Response); ok {
		c.update(func() { delete(c.running, resp.ID) })
	}
	return err
}

func (c *answeringConn) Close() error {
	c.closing.Do(func() { close(c.closed) })
	return c.Connection.Close()
}

// update changes what is running, and says so where that was the last of it.
func (c *answeringConn) update(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended && len(c.running) == 0 {
		return // it is idle for good
	}
	change()
	if c.ended && len(c.running) == 0 {
		close(c.idle)
	}
}

// NewHandler returns a handler of streamable HTTP for any number of clients. It
// has no sessions: each request stands alone, so that nothing is lost when the
// server starts anew. A request has at most 4 MiB.
//
// The parameter project of the URL, as in /mcp?project=website, or the header
// Atocore-Project, is the default project of a client, before Options.Project.
//
// Authentication is its caller's, and so are Origin headers; a browser's page
// cannot call it without leave, because of the content type that it asks for.
func NewHandler(store *atocore.Store, o *Options) http.Handler {
	m := New(store, o)
	h := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return m }, &mcp.StreamableHTTPOptions{
		Stateless:                    true,
		JSONResponse:                 true,
		MaxRequestBodyBytes:          maxBody,
		PropagateRequestCancellation: true,
		DisableLocalhostProtection:   o != nil && o.AnyHost,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil { // a project must not be left out without a word
			http.Error(w, "the URL's query cannot be read", http.StatusBadRequest)
			return
		}
		if project := query.Get("project"); project != "" {
			r = r.Clone(r.Context())
			r.Header.Set(projectHeader, project)
		}
		h.ServeHTTP(w, r)
	})
}
