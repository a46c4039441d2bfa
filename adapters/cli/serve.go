package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/httpapi"
	"github.com/atocore/atocore/adapters/mcpserver"
)

type serveCmd struct {
	Addr            string        `default:"127.0.0.1:8766" placeholder:"HOST:PORT" help:"Where to listen (ATOCORE_ADDR). The default is ${default}; port 0 takes a free one. An address that other machines reach needs a token."`
	Socket          string        `placeholder:"PATH" help:"Listen on a Unix socket instead (ATOCORE_SOCKET), which only this user can open."`
	TokenFile       string        `placeholder:"FILE" help:"File (ATOCORE_TOKEN_FILE) with the token that clients have to send, or ATOCORE_TOKEN holds it. Without one, nothing under /admin is served."`
	AllowHost       []string      `placeholder:"HOST" sep:"none" help:"A name by which clients may call this server, beside those of this machine; may be repeated."`
	Metrics         bool          `help:"Serve Prometheus metrics at /metrics."`
	ShutdownTimeout time.Duration `default:"30s" placeholder:"SPAN" help:"How long requests may go on when the service is to end. The default is ${default}."`

	periodicFlags
}

func (serveCmd) Help() string {
	return `Makes the store where there is none. Interrupted, or sent SIGTERM, it accepts nothing more, finishes what it has accepted, and closes the store; a second signal ends it at once. With --json the address is one document on standard output, and the log is JSON Lines.`
}

func (c *serveCmd) Run(ctx context.Context, s *session) error {
	token, err := readToken(c.TokenFile, s.getenv)
	if err != nil {
		return err
	}
	if c.ShutdownTimeout <= 0 {
		return &atocore.InvalidError{Field: "shutdown-timeout", Reason: "is not above zero", Hint: "write 30s"}
	}
	if err := c.check(); err != nil {
		return err
	}
	return s.with(ctx, creates, func(store *atocore.Store) error {
		l, err := c.listen(ctx, token != "")
		if err != nil {
			return err
		}
		return c.serve(ctx, s, store, l, token)
	})
}

func (c *serveCmd) serve(ctx context.Context, s *session, store *atocore.Store, l net.Listener, token string) error {
	log := s.serviceLog()
	closing := make(chan struct{})
	work := &upkeep{store: store, log: log}
	periodically, err := c.runner(s, store, log)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	v := buildVersion()
	o := &httpapi.Options{
		Token: token, AllowHosts: c.AllowHost, Backup: s.backupOptions(), Scratch: c.DrillScratch, Metrics: c.Metrics, Logger: log, Closing: closing,
		Build:         httpapi.Build{Version: v.Version, Revision: v.Revision, Time: v.BuildTime},
		EmbedderError: func() error { return cmp.Or(s.embedder.err, work.embedderError()) },
		Jobs:          func() []httpapi.JobStatus { return jobStatuses(periodically.Status()) },
		Mount: map[string]http.Handler{
			// The guard knows by which names this server may be called.
			"/mcp": mcpserver.NewHandler(store, &mcpserver.Options{Version: v.Version, Logger: log, AnyHost: true}),
		},
	}
	srv := &http.Server{
		Handler:           httpapi.NewHandler(store, o),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      time.Minute, // of what has no deadline of its own
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	srv.RegisterOnShutdown(func() { close(closing) })

	// What runs beside the requests ends before the store is closed.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop()
	beside.Go(func() { work.run(background) })
	working, stopWork := context.WithCancel(ctx) // no job goes on while requests are finished
	defer stopWork()
	beside.Go(func() { periodically.Run(working) })

	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	if err := s.announce(l.Addr(), token != ""); err != nil {
		return errors.Join(err, srv.Close())
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.note("stopping: requests may take %s more", c.ShutdownTimeout)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.ShutdownTimeout)
	defer cancel()
	if err = srv.Shutdown(ending); err != nil {
		err = errors.Join(fmt.Errorf("serve: requests were cut off after %s: %w", c.ShutdownTimeout, err), srv.Close())
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return err
}

// announce says where the service is, once it is.
func (s *session) announce(addr net.Addr, token bool) error {
	doc := struct {
		Network string `json:"network"`
		Address string `json:"address"`
		URL     string `json:"url,omitempty"`
		Admin   bool   `json:"admin"` // whether there is a token, so that /admin is served
	}{addr.Network(), addr.String(), "", token}
	where := "the socket " + doc.Address
	if doc.Network == "tcp" {
		doc.URL = "http://" + doc.Address
		where = doc.URL
	}
	s.note("listening on %s", where)
	if !token {
		s.note("without a token (ATOCORE_TOKEN or --token-file) nothing under /admin is served")
	}
	if !s.out.json {
		return nil
	}
	if err := s.out.put(doc, nil); err != nil {
		return err
	}
	return s.out.flush()
}

// serviceLog is the log of a service: more is said than of a command.
func (s *session) serviceLog() *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if s.quiet {
		o.Level = slog.LevelWarn
	}
	w := &locked{w: s.stderr}
	if s.out.json {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// locked is a writer for several goroutines.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// listen opens the place to listen at.
func (c *serveCmd) listen(ctx context.Context, token bool) (net.Listener, error) {
	if c.Socket != "" {
		return listenUnix(ctx, c.Socket)
	}
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return nil, &atocore.InvalidError{Field: "addr", Reason: fmt.Sprintf("%q is not HOST:PORT", c.Addr), Hint: "write 127.0.0.1:8766"}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("serve: %s is in use, by another atocore serve perhaps: name another port with --addr: %w", c.Addr, err)
	case err != nil:
		return nil, fmt.Errorf("serve: %w", err)
	}
	if addr, ok := l.Addr().(*net.TCPAddr); !ok || !addr.IP.IsLoopback() && !token {
		return nil, errors.Join(&atocore.InvalidError{
			Field: "addr", Reason: fmt.Sprintf("%s can be reached from other machines, and there is no token", c.Addr),
			Hint: fmt.Sprintf("set ATOCORE_TOKEN or --token-file, %d characters at least, or listen on 127.0.0.1", httpapi.MinToken),
		}, l.Close())
	}
	return l, nil
}
