package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/atocore/atocore"
)

// A class is one sort of error: what it is for the client and for the log.
type class struct {
	err    error
	code   string // as the command line has it
	status int
	title  string
	hint   string
}

// classes is the one table from error to status and code. The first match counts: a
// lock that was not had by the deadline is busy, not a timeout.
var classes = []class{
	{atocore.ErrUnsound, "unsound", http.StatusConflict, "The snapshot does not validate", "validate it for the findings"},
	{atocore.ErrInvalid, "invalid", http.StatusUnprocessableEntity, "The input is not accepted", ""},
	{atocore.ErrNotFound, "not_found", http.StatusNotFound, "There is no such thing", ""},
	{atocore.ErrBusy, "busy", http.StatusServiceUnavailable, "The store is busy; nothing was written", "try again"},
	{atocore.ErrInUse, "in_use", http.StatusServiceUnavailable, "Another process holds the store", "try again when it is done: a restore may be running"},
	{atocore.ErrConflict, "conflict", http.StatusConflict, "The record's state does not allow it", ""},
	{atocore.ErrSpaceMismatch, "space_mismatch", http.StatusConflict, "The store's vectors are another embedder's", "use the embedder that made them, or reindex"},
	{atocore.ErrNewer, "newer", http.StatusServiceUnavailable, "The store was written by a newer version", "upgrade atocore"},
	{atocore.ErrForeign, "foreign", http.StatusServiceUnavailable, "The database is not this store's", "see what has happened to the data directory, then restart"},
	{atocore.ErrCorrupt, "corrupt", http.StatusServiceUnavailable, "The database is damaged", "atocore doctor says what to do"},
	{atocore.ErrFull, "full", http.StatusInsufficientStorage, "The disk is full; nothing was kept", "make room, and try again"},
	{atocore.ErrReadOnly, "read_only", http.StatusServiceUnavailable, "The data directory cannot be written", "see to its permissions and its file system"},
	{atocore.ErrClosed, "closed", http.StatusServiceUnavailable, "The store is closed", "the service is about to end; try again when it is back"},
	{context.Canceled, "canceled", statusCanceled, "The client went away", ""},
	{context.DeadlineExceeded, "timeout", http.StatusGatewayTimeout, "It took too long", "ask for less, or allow more time"},

	// What only HTTP has.
	{errMalformed, "malformed", http.StatusBadRequest, "The request cannot be read", ""},
	{errUnauthorized, "unauthorized", http.StatusUnauthorized, "A token is needed", "send Authorization: Bearer and the token"},
	{errNoToken, "no_token", http.StatusForbidden, "There is no token to ask for", "set ATOCORE_TOKEN or --token-file, at least 16 characters, restart, and send it as Authorization: Bearer"},
	{errOrigin, "foreign_origin", http.StatusForbidden, "A web page of another origin may not do this", ""},
	{errHost, "host", http.StatusMisdirectedRequest, "The Host header names another server", "use a loopback name, or allow the host with --allow-host"},
	{errMethod, "method_not_allowed", http.StatusMethodNotAllowed, "The path does not have this method", "see the Allow header"},
	{errSlow, "slow", http.StatusRequestTimeout, "The request's body did not arrive in time", ""},
	{errTooLarge, "too_large", http.StatusRequestEntityTooLarge, "The request's body is too large", ""},
	{errMediaType, "media_type", http.StatusUnsupportedMediaType, "The body is not JSON", "send Content-Type: application/json"},
}

// failed is what is in no row: a fault of this program, or of what it stands on.
var failed = class{nil, "failed", http.StatusInternalServerError, "It did not work", "the log has the cause under the request's ID"}

// statusCanceled is what a log shows for a client that did not wait, who gets no answer.
const statusCanceled = 499

// What is wrong with requests, as errors, so that the one table has them.
var (
	errMalformed    = errors.New("the request cannot be read")
	errUnauthorized = errors.New("a token is needed")
	errNoToken      = errors.New("no token is configured")
	errOrigin       = errors.New("the request comes from a page of another origin")
	errHost         = errors.New("the request is for another host")
	errMethod       = errors.New("the path does not have this method")
	errSlow         = errors.New("the body did not arrive in time")
	errTooLarge     = errors.New("the body is too large")
	errMediaType    = errors.New("the body is not JSON")
)

func classify(err error) class {
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return c
		}
	}
	return failed
}

// StatusOf is the status and the code that a client sees of an error.
func StatusOf(err error) (code string, status int) {
	c := classify(err)
	return c.code, c.status
}

// A Problem is an error as a client sees it, in the form of RFC 9457. Code is stable;
// titles and details are for people.
type Problem struct {
	Type      string `json:"type" doc:"Always about:blank: the code tells problems apart."`
	Title     string `json:"title" doc:"What sort of problem it is."`
	Status    int    `json:"status" doc:"The response's status."`
	Code      string `json:"code" doc:"What sort of problem it is, for programs; the command line has the same codes."`
	Detail    string `json:"detail,omitempty" doc:"What is wrong here."`
	Field     string `json:"field,omitempty" doc:"The field or parameter that was refused."`
	Hint      string `json:"hint,omitempty" doc:"What to do."`
	RequestID string `json:"request_id,omitempty" doc:"The request's ID, which the server's log has too."`
}

// Error implements error.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	switch p.Status {
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="atocore"`)
	}
	return h
}

// retryAfter is after how many seconds to try again where the store is busy.
const retryAfter = 2

// problemOf puts an error into the form for clients. What it says in detail is what the
// library says of the input; of faults within it says nothing but their class.
func problemOf(ctx context.Context, err error) *Problem {
	c := classify(err)
	p := &Problem{Type: "about:blank", Title: c.title, Status: c.status, Code: c.code, Hint: c.hint, RequestID: requestID(ctx)}
	if invalid, ok := errors.AsType[*atocore.InvalidError](err); ok {
		p.Field, p.Detail, p.Hint = invalid.Field, invalid.Field+" "+invalid.Reason, invalid.Hint
	} else if missing, ok := errors.AsType[*atocore.NotFoundError](err); ok && missing.Kind != "store" {
		p.Detail, p.Hint = missing.Kind+" "+strconv.Quote(missing.ID)+" not found", missing.Hint
	} else if space, ok := errors.AsType[*atocore.SpaceError](err); ok {
		p.Detail = space.Error()
	} else if d, ok := errors.AsType[*detailError](err); ok {
		p.Field, p.Detail = d.field, d.detail
		if d.hint != "" {
			p.Hint = d.hint
		}
	} else if errors.Is(err, atocore.ErrConflict) {
		p.Detail = err.Error()
	}
	p.Detail, p.Field, p.Hint = short(p.Detail), short(p.Field), short(p.Hint)
	return p
}

// A detailError says what is wrong with a request, where an error of the library does not.
type detailError struct {
	err    error
	field  string
	detail string
	hint   string
}

func (e *detailError) Error() string { return e.err.Error() + ": " + e.detail }
func (e *detailError) Unwrap() error { return e.err }

// short bounds what an answer repeats of its request.
func short(s string) string {
	const most = 400
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}

// plain makes a problem of what huma found wrong with a request before the operation
// saw it. It names places and says what belongs there; values it does not repeat.
func plain(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	err := errMalformed
	switch m.Status {
	case http.StatusUnprocessableEntity:
		err = atocore.ErrInvalid
	case http.StatusRequestEntityTooLarge:
		err = errTooLarge
	case http.StatusUnsupportedMediaType:
		err = errMediaType
	case http.StatusRequestTimeout:
		err = errSlow
	case http.StatusInternalServerError:
		err = errors.New(m.Detail)
	}
	p := problemOf(ctx.Context(), err)
	p.Status = m.Status
	if m.Status != http.StatusInternalServerError {
		p.Detail = m.Detail
	}
	var says []string
	for i, d := range m.Errors {
		if d == nil || i == 5 {
			break
		}
		place := d.Location
		for _, prefix := range []string{"body.", "query.", "path.", "header."} {
			place = strings.TrimPrefix(place, prefix)
		}
		if i == 0 {
			p.Field = short(place)
		}
		says = append(says, strings.TrimSpace(short(place)+": "+short(d.Message)))
	}
	if len(says) > 0 {
		p.Detail = strings.Join(says, "; ")
	}
	return p, nil
}
