package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completeCommand is what completion scripts call: the words of the command
// line follow, the last of them unfinished. It is not a command of its own so
// that it can never be found in help.
const completeCommand = "__complete"

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (completionCmd) Help() string {
	return examples(
		`echo 'source <(atocore completion bash)' >> ~/.bashrc`,
		`echo 'source <(atocore completion zsh)' >> ~/.zshrc`,
		`atocore completion fish > ~/.config/fish/completions/atocore.fish`,
	)
}

func (c *completionCmd) Run(s *session) error {
	doc := struct {
		Shell  string `json:"shell"`
		Script string `json:"script"`
	}{c.Shell, completionScripts[c.Shell]}
	return s.out.put(doc, func() { s.out.block(doc.Script) })
}

// The scripts ask the program for candidates, one a line with a description
// after a tab, and leave file names to the shell where there are none. So they
// never need to be made again.
var completionScripts = map[string]string{
	"bash": `_atocore() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${line%%$'\t'*}")
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _atocore atocore
`,
	"zsh": `#compdef atocore
_atocore() {
    local line
    local -a candidates
    for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $line ]] && candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    if (( $#candidates )); then
        _describe atocore candidates
    else
        _files
    fi
}
(( $+functions[compdef] )) && compdef _atocore atocore
`,
	"fish": `function __atocore_complete
    set -l words (commandline -opc)
    set -l candidates ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    if test (count $candidates) -gt 0
        printf '%s\n' $candidates
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c atocore -f -a '(__atocore_complete)'
`,
}

// complete prints the candidates for the last of words.
func complete(app *kong.Application, words []string, w io.Writer) error {
	partial := ""
	if n := len(words); n > 0 {
		words, partial = words[:n-1], words[n-1]
	}
	node, args := app.Node, 0
	var value *kong.Value // of the flag before the partial word, if it wants one
	onlyArgs := false
	for _, word := range words {
		switch {
		case value != nil:
			value = nil
		case onlyArgs:
			args++
		case word == "--":
			onlyArgs = true
		case strings.HasPrefix(word, "--") && !strings.Contains(word, "="):
			node = leftOut(node, word)
			if f := flagNamed(node, word[2:]); f != nil && !f.IsBool() {
				value = f.Value
			}
		case strings.HasPrefix(word, "-") && word != "-":
			node = leftOut(node, word)
		default:
			i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == word })
			if i < 0 {
				args++
				continue
			}
			node, args = node.Children[i], 0
		}
	}

	var candidates [][2]string
	switch {
	case value != nil:
		candidates = enum(value)
	case strings.HasPrefix(partial, "-") && !onlyArgs:
		flags := flagsOf(node)
		if node.DefaultCmd != nil {
			flags = flagsOf(node.DefaultCmd)
		}
		for _, f := range flags {
			if !f.Hidden {
				candidates = append(candidates, [2]string{"--" + f.Name, f.Help})
				if f.Tag.Negatable != "" {
					candidates = append(candidates, [2]string{"--no-" + f.Name, f.Help})
				}
			}
		}
	case len(node.Children) > 0:
		for _, child := range node.Children {
			if !child.Hidden {
				candidates = append(candidates, [2]string{child.Name, child.Help})
			}
		}
	case args < len(node.Positional):
		candidates = enum(node.Positional[args])
	}
	for _, c := range candidates {
		if strings.HasPrefix(c[0], partial) {
			if _, err := fmt.Fprintf(w, "%s\t%s\n", c[0], c[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// leftOut goes on to the command that node stands for where the word is a flag of
// its own.
func leftOut(node *kong.Node, word string) *kong.Node {
	name, _, _ := strings.Cut(strings.TrimPrefix(word, "--"), "=")
	if node.DefaultCmd != nil && flagNamed(node, name) == nil && flagNamed(node.DefaultCmd, name) != nil {
		return node.DefaultCmd
	}
	return node
}

func enum(v *kong.Value) [][2]string {
	var out [][2]string
	if v.Enum != "" {
		for _, e := range strings.Split(v.Enum, ",") {
			out = append(out, [2]string{e, v.Name})
		}
	}
	return out
}

// flagsOf lists the flags that may stand after node: its own and those of the
// commands above.
func flagsOf(node *kong.Node) []*kong.Flag {
	var out []*kong.Flag
	for n := node; n != nil; n = n.Parent {
		out = append(out, n.Flags...)
	}
	return out
}

func flagNamed(node *kong.Node, name string) *kong.Flag {
	for _, f := range flagsOf(node) {
		if f.Name == name {
			return f
		}
	}
	return nil
}
