package openai

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"strings"
)

// A route is a form of question and answer.
type route int

const (
	routeOpenAI route = iota // POST …/v1/embeddings
	routeOllama              // POST …/api/embed, Ollama's own
	routeTEI                 // POST …/embed, Text Embeddings Inference's own
	routeLlama               // POST …/embedding, llama.cpp's own
)

// An endpoint is the address that questions are sent to.
type endpoint struct {
	url   *url.URL
	route route
}

// String is the address without a query, for errors.
func (e endpoint) String() string {
	shown := url.URL{Scheme: e.url.Scheme, Host: e.url.Host, Path: e.url.Path}
	return shown.String()
}

// newEndpoint finds the address for embeddings from that of a server.
func newEndpoint(base string) (endpoint, error) {
	u, err := url.Parse(base)
	if err != nil {
		return endpoint{}, invalid("BaseURL", "is no address", "use one like http://localhost:11434/v1")
	}
	switch {
	case u.User != nil: // not shown: it may be a password
		return endpoint{}, invalid("BaseURL", "has a user name or password in it", "give the key by an environment variable")
	case (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return endpoint{}, invalid("BaseURL", fmt.Sprintf("%q is no http or https address", base), "use one like http://localhost:11434/v1")
	case u.Fragment != "":
		return endpoint{}, invalid("BaseURL", fmt.Sprintf("%q has a fragment, which is not sent", base), "leave out what begins with #")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	e := endpoint{url: u}
	switch last := path.Base(u.Path); {
	case last == "embeddings":
	case strings.HasSuffix(u.Path, "/api/embed"):
		e.route = routeOllama
	case last == "embed":
		e.route = routeTEI
	case last == "embedding":
		e.route = routeLlama
	case isVersion(last):
		u.Path += "/embeddings"
	default:
		u.Path += "/v1/embeddings"
	}
	return e, nil
}

// isVersion reports whether a path element is one like v1, v3 or v1beta.
func isVersion(s string) bool {
	return len(s) >= 2 && s[0] == 'v' && s[1] >= '0' && s[1] <= '9'
}

// private reports whether what is sent there cannot be read on the way.
func (e endpoint) private() bool {
	if e.url.Scheme == "https" {
		return true
	}
	host := e.url.Hostname()
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
