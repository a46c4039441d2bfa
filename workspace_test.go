package atocore_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// write makes a file and the directories above it.
func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// realTempDir is a temporary directory by its real name.
func realTempDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// repository makes what git init makes, as far as it matters.
func repository(t testing.TB, root, config string) {
	t.Helper()
	write(t, filepath.Join(root, ".git", "HEAD"), "ref: refs/heads/main\n")
	write(t, filepath.Join(root, ".git", "config"), config)
}

func origin(url string) string { return "[remote \"origin\"]\n\turl = " + url + "\n" }

func findWorkspace(t testing.TB, dir string) atocore.Workspace {
	t.Helper()
	w, err := atocore.FindWorkspace(dir)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestFindWorkspace(t *testing.T) {
	dir := realTempDir(t)
	main := filepath.Join(dir, "main")
	repository(t, main, origin("git@github.com:acme/tool.git"))
	common := filepath.Join(main, ".git")

	write(t, filepath.Join(main, "sub", "deep", "file"), "")
	tree := filepath.Join(dir, "tree")
	write(t, filepath.Join(common, "worktrees", "tree", "HEAD"), "ref: refs/heads/topic\n")
	write(t, filepath.Join(common, "worktrees", "tree", "commondir"), "../..\n")
	write(t, filepath.Join(tree, ".git"), "gitdir: "+filepath.Join(common, "worktrees", "tree")+"\n")
	module := filepath.Join(main, "vendored")
	write(t, filepath.Join(common, "modules", "lib", "HEAD"), "ref: refs/heads/main\n")
	write(t, filepath.Join(common, "modules", "lib", "config"), origin("https://example.org/lib.git"))
	write(t, filepath.Join(module, ".git"), "gitdir: ../.git/modules/lib")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(main, link); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	write(t, filepath.Join(dir, "plain", "file"), "")
	write(t, filepath.Join(dir, "broken", ".git"), "gitdir: /nowhere/at/all\n")
	write(t, filepath.Join(dir, "hollow", ".git", "config"), origin("https://example.org/no-head.git"))

	for _, tt := range []struct {
		name, dir string
		want      atocore.Workspace
	}{
		{"root", main, atocore.Workspace{Dir: main, Root: main, CommonDir: common, Remote: "github.com/acme/tool"}},
		{"below", filepath.Join(main, "sub", "deep"), atocore.Workspace{Dir: filepath.Join(main, "sub", "deep"), Root: main, CommonDir: common, Remote: "github.com/acme/tool"}},
		{"work tree", tree, atocore.Workspace{Dir: tree, Root: tree, CommonDir: common, Remote: "github.com/acme/tool"}},
		{"submodule", module, atocore.Workspace{Dir: module, Root: module, CommonDir: filepath.Join(common, "modules", "lib"), Remote: "example.org/lib"}},
		{"by a link", link, atocore.Workspace{Dir: main, Root: main, CommonDir: common, Remote: "github.com/acme/tool"}},
		{"no repository", filepath.Join(dir, "plain"), atocore.Workspace{Dir: filepath.Join(dir, "plain")}},
		{"a .git that leads nowhere", filepath.Join(dir, "broken"), atocore.Workspace{Dir: filepath.Join(dir, "broken")}},
		{"a .git that is none", filepath.Join(dir, "hollow"), atocore.Workspace{Dir: filepath.Join(dir, "hollow")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, findWorkspace(t, tt.dir)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
	if _, err := atocore.FindWorkspace(filepath.Join(dir, "missing")); !errors.Is(err, atocore.ErrNotFound) {
		t.Errorf("a directory that is not there: %v, want ErrNotFound", err)
	}
	if _, err := atocore.FindWorkspace(filepath.Join(dir, "plain", "file")); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("a file: %v, want ErrInvalid", err)
	}
}

// TestRemote holds the ways to write an address to the one that they come to.
func TestRemote(t *testing.T) {
	for url, want := range map[string]string{
		"git@github.com:acme/tool.git":                      "github.com/acme/tool",
		"github.com:acme/tool":                              "github.com/acme/tool",
		"https://github.com/acme/tool.git":                  "github.com/acme/tool",
		"https://github.com/acme/tool/":                     "github.com/acme/tool",
		"https://user:secret@GitHub.com:443/acme/tool.git/": "github.com/acme/tool",
		"https://ghp_token@github.com/acme/tool":            "github.com/acme/tool",
		"ssh://git@github.com:2222/acme/tool.git":           "github.com/acme/tool",
		"git://github.com/acme/tool":                        "github.com/acme/tool",
		"ssh://git@[::1]:22/acme/tool":                      "::1/acme/tool",
		"[git@host.example:2222]:group/sub/tool.git":        "host.example/group/sub/tool",
		"https://gitlab.example/group/sub/tool.git?x=1#y":   "gitlab.example/group/sub/tool",
		"host.example:~ines/tool.git":                       "host.example/~ines/tool",
		"https://github.com/acme/../acme/./tool.git":        "github.com/acme/tool",
		"https://github.com/../../../etc/passwd":            "github.com/etc/passwd",
		`"https://github.com/acme/tool.git" ; a comment`:    "github.com/acme/tool",
		"https://github.com/acme/tool.git # a comment":      "github.com/acme/tool",
		"/srv/git/tool.git":                                 "",
		"../tool":                                           "",
		"file:///srv/git/tool.git":                          "",
		`C:\\repositories\\tool`:                            "",
		"https://github.com/":                               "",
		"https://github.com/.git":                           "",
		"ext::sh -c whatever":                               "",
		"https://github.com/acme/a%20b":                     "",
		"https://github.com/acme/a%0ab":                     "",
		"https://github.com/" + strings.Repeat("a", 400):    "",
		"":                "",
		"https://%zz":     "",
		"git@github.com:": "",
	} {
		root := filepath.Join(realTempDir(t), "r")
		repository(t, root, origin(url))
		if got := findWorkspace(t, root).Remote; got != want {
			t.Errorf("%s is %q, want %q", url, got, want)
		}
	}
}

// TestGitConfig reads a remote out of what else may stand in a configuration.
func TestGitConfig(t *testing.T) {
	for name, tt := range map[string]struct{ config, want string }{
		"origin among several": {"[remote \"a\"]\nurl = https://h.example/a\n[REMOTE \"origin\"]\n\tfetch = +refs/*:refs/*\n\tURL=https://h.example/o\n", "h.example/o"},
		"the only one":         {"[core]\n\turl = https://h.example/core\n[remote \"upstream\"]\n\turl = https://h.example/u\n", "h.example/u"},
		"none of several":      {"[remote \"a\"]\nurl = https://h.example/a\n[remote \"b\"]\nurl = https://h.example/b\n", ""},
		"the first address":    {origin("https://h.example/first") + "\turl = https://h.example/second\n", "h.example/first"},
		"one line":             {"[remote \"origin\"] url = https://h.example/o\n", "h.example/o"},
		"continued":            {"[remote \"origin\"]\nurl = https://h.exam\\\nple/o\n", "h.example/o"},
		"line ends of Windows": {"[remote \"origin\"]\r\n\turl = https://h.example/o\r\n", "h.example/o"},
		"a quoted name":        {"[remote \"or\\\"igin\"]\nurl = https://h.example/q\n", "h.example/q"},
		"a comment":            {"[remote \"origin\"]\n# url = https://h.example/no\n; url = https://h.example/no\n", ""},
		"not included":         {"[include]\n\tpath = ../../secret\n", ""},
		"no end":               {"[remote \"origin", ""},
		"a zero byte":          {origin("https://h.example/o") + "\x00", ""},
		"not UTF-8":            {origin("https://h.example/\xff"), ""},
		"too long":             {origin("https://h.example/o") + strings.Repeat("# filler\n", 200_000), ""},
	} {
		root := filepath.Join(realTempDir(t), "r")
		repository(t, root, tt.config)
		if got := findWorkspace(t, root).Remote; got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestFindWorkspaceGit holds it to what git itself makes.
func TestFindWorkspaceGit(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("git is not installed")
	}
	dir := realTempDir(t)
	run := func(where string, args ...string) {
		t.Helper()
		cmd := exec.Command(git, args...)
		cmd.Dir = where
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull, "GIT_CONFIG_COUNT=0",
			"GIT_AUTHOR_NAME=n", "GIT_AUTHOR_EMAIL=n@example.org", "GIT_COMMITTER_NAME=n", "GIT_COMMITTER_EMAIL=n@example.org")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	main := filepath.Join(dir, "tool")
	run(dir, "init", "-q", main)
	run(main, "remote", "add", "origin", "ssh://git@example.org/acme/tool.git")
	run(main, "commit", "-q", "--allow-empty", "-m", "first")
	run(main, "worktree", "add", "-q", filepath.Join(dir, "topic"))
	run(dir, "init", "-q", "--separate-git-dir", filepath.Join(dir, "elsewhere.git"), filepath.Join(dir, "apart"))
	want := findWorkspace(t, main)
	if want.Remote != "example.org/acme/tool" || want.CommonDir != filepath.Join(main, ".git") {
		t.Fatalf("the main work tree is %+v", want)
	}
	got := findWorkspace(t, filepath.Join(dir, "topic"))
	if got.CommonDir != want.CommonDir || got.Remote != want.Remote || got.Root != filepath.Join(dir, "topic") {
		t.Errorf("the other work tree is %+v, want what %+v shares", got, want)
	}
	if got := findWorkspace(t, filepath.Join(dir, "apart")).CommonDir; got != filepath.Join(dir, "elsewhere.git") {
		t.Errorf("a repository elsewhere is %s", got)
	}
}

func FuzzFindWorkspace(f *testing.F) {
	f.Add([]byte(origin("git@github.com:acme/tool.git")), []byte("gitdir: .git2\n"))
	f.Add([]byte("[remote \"origin\"]url=\"a:b\\\\"), []byte("gitdir:"))
	f.Add([]byte("[remote \"o\\"), []byte("gitdir: \x00"))
	dir := realTempDir(f)
	f.Fuzz(func(t *testing.T, config, link []byte) {
		for _, name := range []string{"HEAD", "config"} {
			write(t, filepath.Join(dir, ".git2", name), string(config))
		}
		write(t, filepath.Join(dir, ".git"), string(link))
		w, err := atocore.FindWorkspace(dir)
		if err != nil {
			t.Fatal(err)
		}
		if w.Remote != "" {
			if strings.ContainsAny(w.Remote, " @\\\x00\n") || strings.Contains(w.Remote, "..") && strings.Contains("/"+w.Remote+"/", "/../") {
				t.Errorf("the remote is %q", w.Remote)
			}
		}
	})
}

func TestWorkspaceProject(t *testing.T) {
	s := openStore(t, nil)
	find := func(w atocore.Workspace) string {
		t.Helper()
		p, err := s.WorkspaceProject(t.Context(), w)
		if errors.Is(err, atocore.ErrNotFound) {
			return ""
		}
		if err != nil {
			t.Fatal(err)
		}
		return p.Name
	}
	add := func(name string, aliases ...string) {
		t.Helper()
		if _, err := s.AddProject(t.Context(), atocore.Project{Name: name, Aliases: aliases}); err != nil {
			t.Fatal(err)
		}
	}
	w := atocore.Workspace{Dir: "/src/tool/cmd/x", Root: "/src/tool", CommonDir: "/src/tool/.git", Remote: "github.com/acme/tool"}
	want := func(what, name string) {
		t.Helper()
		if got := find(w); got != name {
			t.Errorf("%s: the project is %q, want %q", what, got, name)
		}
	}
	want("an empty store", "")
	add("tool", "gitlab.example/other/tool")
	want("a project of another repository of that name", "")
	add("directory")
	w2 := atocore.Workspace{Dir: "/notes/directory"}
	if got := find(w2); got != "directory" {
		t.Errorf("outside of a repository the directory's name gives %q", got)
	}
	add("by-common", "/src/tool/.git")
	want("by the common directory", "by-common")
	add("by-remote", "GitHub.com/Acme/Tool")
	want("by the remote", "by-remote")
	add("by-root", "/src/tool")
	want("by the root", "by-root")
	add("by-dir", "/src/tool/cmd")
	want("by a directory between", "by-dir")
	add("above", "/src")
	want("not by what is above the root", "by-dir")
	w.Dir = "/src/tool/internal"
	want("beside it", "by-root")
	if got := find(atocore.Workspace{Dir: "/src/else/where"}); got != "above" {
		t.Errorf("outside of a repository a directory above gives %q", got)
	}
}

func TestAddWorkspaceProject(t *testing.T) {
	s := openStore(t, nil)
	add := func(w atocore.Workspace) atocore.Project {
		t.Helper()
		p, err := s.AddWorkspaceProject(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := add(atocore.Workspace{Dir: "/a/tool", Root: "/a/tool", CommonDir: "/a/tool/.git", Remote: "github.com/acme/tool"})
	if first.Name != "tool" || !cmp.Equal(first.Aliases, []string{"/a/tool/.git", "github.com/acme/tool"}) {
		t.Errorf("the first is %+v", first)
	}
	for what, tt := range map[string]struct {
		w    atocore.Workspace
		want string
	}{
		"another work tree":         {atocore.Workspace{Dir: "/b", Root: "/b", CommonDir: "/a/tool/.git", Remote: "github.com/acme/tool"}, "tool"},
		"another clone":             {atocore.Workspace{Dir: "/c", Root: "/c", CommonDir: "/c/.git", Remote: "github.com/acme/tool"}, "tool"},
		"another owner's":           {atocore.Workspace{Dir: "/d/tool", Root: "/d/tool", CommonDir: "/d/tool/.git", Remote: "github.com/ines/tool"}, "ines-tool"},
		"without a remote":          {atocore.Workspace{Dir: "/home/tool", Root: "/home/tool", CommonDir: "/home/tool/.git"}, "home-tool"},
		"bare, with its work trees": {atocore.Workspace{Dir: "/w", Root: "/w", CommonDir: "/srv/site.git"}, "site"},
	} {
		if got := add(tt.w); got.Name != tt.want {
			t.Errorf("%s: the project is %q, want %q", what, got.Name, tt.want)
		}
		if got := add(tt.w); got.Name != tt.want {
			t.Errorf("%s, the second time: the project is %q, want %q", what, got.Name, tt.want)
		}
	}
	// Names that are taken over and over.
	for n := range 5 {
		dir := fmt.Sprintf("/x%d/y/same/z/tool", n)
		if got := add(atocore.Workspace{Dir: dir, Root: dir, CommonDir: dir + "/.git"}); !strings.HasPrefix(got.Name, "z-tool") && !strings.HasPrefix(got.Name, "tool-") {
			t.Errorf("one of many is called %q", got.Name)
		}
	}
	before, err := s.Projects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddWorkspaceProject(t.Context(), atocore.Workspace{Dir: "/tmp"}); !errors.Is(err, atocore.ErrNotFound) {
		t.Errorf("outside of a repository: %v, want ErrNotFound", err)
	}
	after, err := s.Projects(t.Context())
	if err != nil || len(after) != len(before) {
		t.Errorf("there are %d projects, %v, want %d as before", len(after), err, len(before))
	}
}
