package atocore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Bounds of what is read of a repository, which may be anybody's.
const (
	maxGitLink   = 8 << 10
	maxGitConfig = 1 << 20
	maxRemote    = 300
)

// FindWorkspace looks at the directory dir. It runs no program, and reads no more
// than git's own files that say where the repository is and what its remote is
// called; where those make no sense it is as if they were not there. It fails only
// where dir is not a directory.
func FindWorkspace(dir string) (Workspace, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Workspace{}, fmt.Errorf("find workspace: %w", err)
	}
	// One directory, one name, whatever links lead there.
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	switch info, err := os.Stat(abs); {
	case errors.Is(err, fs.ErrNotExist):
		return Workspace{}, fmt.Errorf("find workspace: %w", &NotFoundError{Kind: "directory", ID: abs})
	case err != nil:
		return Workspace{}, fmt.Errorf("find workspace: %w", err)
	case !info.IsDir():
		return Workspace{}, fmt.Errorf("find workspace: %w", invalid("directory", fmt.Sprintf("%s is a file", abs), ""))
	}
	w := Workspace{Dir: abs}
	for at := abs; ; at = filepath.Dir(at) {
		if git, ok := gitDir(at); ok {
			w.Root = at
			w.CommonDir = commonDir(git)
			w.Remote = remoteOf(w.CommonDir)
			return w, nil
		}
		if at == filepath.Dir(at) {
			return w, nil
		}
	}
}

// gitDir is the repository of the work tree at root: its .git, or where a work tree
// or a submodule has a file of that name, the directory that it names.
func gitDir(root string) (string, bool) {
	name := filepath.Join(root, ".git")
	info, err := os.Stat(name)
	if err != nil {
		return "", false
	}
	if !info.IsDir() {
		text, ok := readSmall(name, maxGitLink)
		if !ok {
			return "", false
		}
		target, ok := strings.CutPrefix(firstLine(text), "gitdir:")
		if target = strings.TrimSpace(target); !ok || target == "" {
			return "", false
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(root, target)
		}
		name = target
	}
	if head, err := os.Lstat(filepath.Join(name, "HEAD")); err != nil || head.IsDir() {
		return "", false // as git itself sees it, not a repository
	}
	return name, true
}

// commonDir is what the work trees of the repository share.
func commonDir(git string) string {
	common := git
	if text, ok := readSmall(filepath.Join(git, "commondir"), maxGitLink); ok {
		if line := strings.TrimSpace(firstLine(text)); line != "" {
			common = line
			if !filepath.IsAbs(common) {
				common = filepath.Join(git, common)
			}
		}
	}
	if real, err := filepath.EvalSymlinks(common); err == nil {
		return real
	}
	return filepath.Clean(common)
}

// remoteOf is the remote that the repository's configuration calls origin, or else
// its only one.
func remoteOf(common string) string {
	text, ok := readSmall(filepath.Join(common, "config"), maxGitConfig)
	if !ok {
		return ""
	}
	remotes := parseRemotes(text)
	if u, ok := remotes["origin"]; ok {
		return normaliseRemote(u)
	}
	if len(remotes) == 1 {
		for _, u := range remotes {
			return normaliseRemote(u)
		}
	}
	return ""
}

// readSmall reads a regular file that is not longer than limit. Nothing else is
// opened: a pipe would keep the reader waiting.
func readSmall(name string, limit int64) (string, bool) {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > limit {
		return "", false
	}
	f, err := os.Open(name)
	if err != nil {
		return "", false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil || int64(len(b)) > limit || bytes.IndexByte(b, 0) >= 0 || !utf8.Valid(b) {
		return "", false
	}
	return string(b), true
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimRight(line, "\r")
}

// parseRemotes reads the url of each remote from the text of a git configuration.
// What it includes is not followed.
func parseRemotes(text string) map[string]string {
	out := map[string]string{}
	remote, inRemote := "", false
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if rest, ok := strings.CutPrefix(line, "["); ok {
			remote, rest, inRemote = remoteSection(rest)
			if line = strings.TrimSpace(rest); line == "" {
				continue
			}
		}
		if !inRemote || line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		for strings.HasSuffix(line, `\`) && !strings.HasSuffix(line, `\\`) && i+1 < len(lines) {
			i++
			line = strings.TrimSuffix(line, `\`) + strings.TrimRight(lines[i], "\r")
		}
		key, value, ok := strings.Cut(line, "=")
		if _, have := out[remote]; !ok || have || !strings.EqualFold(strings.TrimSpace(key), "url") {
			continue
		}
		if v, ok := configValue(value); ok {
			out[remote] = v
		}
	}
	return out
}

// remoteSection reads the rest of a line [remote "name"], behind its first bracket.
func remoteSection(s string) (name, rest string, ok bool) {
	section := strings.IndexAny(s, " \t]\"")
	if section < 0 || !strings.EqualFold(s[:section], "remote") {
		_, rest, _ = strings.Cut(s, "]")
		return "", rest, false
	}
	s = strings.TrimLeft(s[section:], " \t")
	if s == "" || s[0] != '"' {
		_, rest, _ = strings.Cut(s, "]")
		return "", rest, false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			rest, ok = strings.CutPrefix(strings.TrimLeft(s[i+1:], " \t"), "]")
			return b.String(), rest, ok
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

// configValue takes quotes, escapes and a comment off a value.
func configValue(s string) (string, bool) {
	var b strings.Builder
	quoted := false
	s = strings.TrimSpace(s)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			switch s[i] {
			case 'n', 't', 'b':
				return "", false // no address has these
			default:
				b.WriteByte(s[i])
			}
		case c == '"':
			quoted = !quoted
		case (c == '#' || c == ';') && !quoted:
			return strings.TrimSpace(b.String()), true
		default:
			b.WriteByte(c)
		}
	}
	return strings.TrimSpace(b.String()), !quoted
}

// normaliseRemote brings the ways to write a repository's address to one: host and
// path, without scheme, user, password, port, .git and trailing slashes. What is not
// on another host, a path or a bundle, gives nothing: it says no more than the
// common directory does.
func normaliseRemote(address string) string {
	host, p := splitRemote(strings.TrimSpace(address))
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	p = strings.Trim(p, "/")
	if host == "" || p == "" {
		return ""
	}
	p = strings.TrimPrefix(path.Clean("/"+p), "/") // no way out by ..
	p = strings.Trim(strings.TrimSuffix(p, ".git"), "/")
	out := host + "/" + p
	if p == "" || len(out) > maxRemote || !usableName(out) || strings.ContainsAny(out, " @?#\\") {
		return ""
	}
	return out
}

func splitRemote(address string) (host, p string) {
	if strings.Contains(address, "://") {
		u, err := url.Parse(address)
		if err != nil || u.Scheme == "file" {
			return "", ""
		}
		return u.Hostname(), u.Path
	}
	// host:path, unless a slash comes first, or it is C:\path.
	rest := address
	if at := strings.IndexByte(address, '@'); at >= 0 && !strings.ContainsAny(address[:at], "/[") {
		rest = address[at+1:]
	}
	if strings.HasPrefix(rest, "[") { // [user@host:port]:path
		inside, after, ok := strings.Cut(rest[1:], "]:")
		if !ok {
			return "", ""
		}
		if _, h, ok := strings.Cut(inside, "@"); ok {
			inside = h
		}
		if h, _, ok := strings.Cut(inside, ":"); ok && strings.Count(inside, ":") == 1 {
			inside = h
		}
		return inside, after
	}
	host, p, ok := strings.Cut(rest, ":")
	if !ok || strings.ContainsRune(host, '/') || len(host) < 2 {
		return "", ""
	}
	return host, p
}
