package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/httpapi"
)

type healthCmd struct {
	Addr    string        `default:"127.0.0.1:8766" placeholder:"HOST:PORT" help:"Where the service listens (ATOCORE_ADDR). The default is ${default}. Of a service that listens everywhere, 0.0.0.0, this machine is asked."`
	Socket  string        `placeholder:"PATH" help:"The Unix socket that it listens on instead (ATOCORE_SOCKET)."`
	Timeout time.Duration `default:"5s" placeholder:"SPAN" help:"How long to wait for the answer. The default is ${default}."`
}

func (healthCmd) Help() string {
	return `Asks a service that runs, and exits with 0 where it says that its store can be used, with 1 otherwise; it opens no store. It is what a container's health check, systemd or a script wants.` + examples(
		`atocore health`,
		`atocore health --socket /run/atocore/http.sock --json`,
	)
}

func (c *healthCmd) Run(ctx context.Context, s *session) error {
	if c.Timeout <= 0 {
		return &atocore.InvalidError{Field: "timeout", Reason: "is not above zero", Hint: "write 5s"}
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	where, network, address := c.Socket, "unix", c.Socket
	if c.Socket == "" {
		host, port, err := net.SplitHostPort(c.Addr)
		if err != nil {
			return &atocore.InvalidError{Field: "addr", Reason: fmt.Sprintf("%q is not HOST:PORT", c.Addr), Hint: "write 127.0.0.1:8766"}
		}
		switch host { // by numbers: a container may know no names
		case "", "0.0.0.0":
			host = "127.0.0.1"
		case "::":
			host = "::1"
		}
		network, address = "tcp", net.JoinHostPort(host, port)
		where = "http://" + address
	}
	answer, err := askHealth(ctx, network, address)
	if err != nil {
		return fmt.Errorf("no health from %s: %w", where, err)
	}
	var h httpapi.Health
	if err := json.Unmarshal(answer.body, &h); err != nil || h.Status == "" {
		return fmt.Errorf("%s answers with %d, but not as atocore serve does", where, answer.status)
	}
	if answer.status != http.StatusOK {
		return fmt.Errorf("%s is not well: %s: %s", where, h.Status, h.Detail)
	}
	return s.out.put(json.RawMessage(answer.body), func() { s.healthLines(&h) })
}

type healthAnswer struct {
	status int
	body   []byte
}

// askHealth sends the request, without proxies and redirects: what answers is the
// service itself.
func askHealth(ctx context.Context, network, address string) (healthAnswer, error) {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	host := address
	if network == "unix" {
		host = "localhost"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/health", nil)
	if err != nil {
		return healthAnswer{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		if op := errors.Unwrap(err); op != nil {
			err = op // without the URL, which the caller names
		}
		return healthAnswer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return healthAnswer{resp.StatusCode, body}, err
}

func (s *session) healthLines(h *httpapi.Health) {
	s.field("status", h.Status)
	s.field("version", h.Version+" "+orDash(h.BuildSHA))
	s.field("up", (time.Duration(h.Uptime * float64(time.Second))).Round(time.Second).String())
	snapshot, drill := "none", "none"
	if h.LastSnapshot != nil {
		snapshot = h.LastSnapshot.Stamp
	}
	if h.LastDrill != nil {
		drill = moment(h.LastDrill.At)
		if !h.LastDrill.OK {
			drill += ", found faults"
		}
	}
	s.field("snapshot", snapshot)
	s.field("drill", drill)
	for _, j := range h.Jobs {
		s.field(j.Name, j.Schedule+"; "+jobLine(&j))
	}
	for _, n := range h.Notes {
		s.field("note", n)
	}
}

// jobLine says how a job is doing.
func jobLine(j *httpapi.JobStatus) string {
	line := "not run yet"
	switch {
	case j.Error != "":
		line = "failed: " + j.Error
	case j.OK != nil:
		line = orDash(j.Result)
	}
	if j.LastRun != nil {
		line = moment(*j.LastRun) + ", " + line
	}
	if j.Running {
		line += "; running now"
	}
	return line
}
