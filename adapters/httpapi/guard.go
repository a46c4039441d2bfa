package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// MinToken is how many characters a token has at least.
const MinToken = 16

// open are the paths that are answered without a token: they have no secrets, and who
// watches over a service should not need one.
var open = []string{"/health", "/openapi.json", "/openapi.yaml"}

// A guard refuses requests that must not get through.
type guard struct {
	token     [sha256.Size]byte
	hasToken  bool
	hosts     []string
	unguarded bool
}

func newGuard(o *Options) guard {
	g := guard{hasToken: o.Token != "", unguarded: o.Unguarded}
	if g.hasToken {
		g.token = sha256.Sum256([]byte(o.Token))
	}
	for _, h := range o.AllowHosts {
		g.hosts = append(g.hosts, canonicalHost(h))
	}
	return g
}

// check says what is wrong with a request, and whether it has shown the token.
func (g *guard) check(r *http.Request) (authorised bool, err error) {
	if g.unguarded {
		return true, nil
	}
	if !g.hostAllowed(r) {
		return false, errHost
	}
	if !sameOrigin(r) {
		return false, errOrigin
	}
	if !g.hasToken {
		// Whoever listens beyond this machine has to have a token. The host does not
		// tell who asks: a client can write there what it likes.
		if !local(r) && !slices.Contains(open, r.URL.Path) {
			return false, errNoToken
		}
		return false, nil
	}
	if g.tokenShown(r) {
		return true, nil
	}
	if slices.Contains(open, r.URL.Path) {
		return false, nil
	}
	return false, errUnauthorized
}

// tokenShown compares hashes, whose length does not depend on the token's.
func (g *guard) tokenShown(r *http.Request) bool {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	got := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(got[:], g.token[:]) == 1
}

// hostAllowed refuses names that a foreign server of names may have pointed here: a page
// that was loaded from such a name would be of the same origin.
func (g *guard) hostAllowed(r *http.Request) bool {
	addr := localAddr(r)
	if addr != nil && addr.Network() == "unix" {
		return true // no browser comes that way
	}
	host := canonicalHost(r.Host)
	if host == "localhost" || slices.Contains(g.hosts, host) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if ip.IsLoopback() {
		return true
	}
	tcp, ok := addr.(*net.TCPAddr) // an address cannot be pointed elsewhere
	return ok && tcp.AddrPort().Addr().Unmap() == ip.Unmap()
}

// canonicalHost is a host without its port, in lower case.
func canonicalHost(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// sameOrigin refuses what a browser sends for a page of another origin. Programs send
// neither header.
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return false
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	u, err := url.Parse(origins[0])
	return len(origins) == 1 && err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

func localAddr(r *http.Request) net.Addr {
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return addr
}

// local reports whether the request came in by a socket that only this machine reaches.
func local(r *http.Request) bool {
	switch addr := localAddr(r).(type) {
	case *net.TCPAddr:
		return addr.IP.IsLoopback()
	case nil:
		return true // no server: the handler was called by its program
	default:
		return addr.Network() == "unix"
	}
}
