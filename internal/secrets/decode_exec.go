package secrets

import (
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"plan/schema"
)

// exec reads a command. What runs is what stands in the file: nothing is put into it.
func (d *decoder) exec(n *yaml.Node) Exec {
	const path = "from.exec"
	f := d.mapping(n, path, "command", "timeout")
	e := Exec{Timeout: DefaultTimeout}
	switch {
	case f == nil:
		return e
	case f["command"] == nil:
		d.add(n, "%s: command is missing", path)
	default:
		e.Command = d.command(f["command"], path+".command")
	}
	if t := f["timeout"]; t != nil {
		e.Timeout = d.duration(t, path+".timeout")
	}
	return e
}

func (d *decoder) command(n *yaml.Node, path string) Words {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		d.add(n, "%s: want a list: the command's name, then its arguments, such as [pass, show, backup]", path)
		return ""
	}
	words := make([]string, len(n.Content))
	for i, item := range n.Content {
		words[i] = d.word(item, path)
	}
	if words[0] == "" {
		d.add(n.Content[0], "%s: the command's name is empty", path)
	}
	return JoinWords(words...)
}

// word reads a name or argument, which may be empty and may have several lines. It never stands in a message.
func (d *decoder) word(n *yaml.Node, path string) string {
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		d.add(n, "%s: every word is a string; quote it", path)
	case strings.Contains(n.Value, "\x00"):
		d.add(n, "%s: a word has a NUL character", path)
	case strings.Contains(n.Value, "${{"):
		d.add(n, "%s: ${{ }} is not evaluated in from:", path)
	}
	return n.Value
}

func (d *decoder) duration(n *yaml.Node, path string) time.Duration {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		d.add(n, "%s: want a duration such as 30s", path)
		return 0
	}
	t, err := schema.ParseDuration(n.Value)
	switch {
	case err != nil:
		d.add(n, "%s: %v", path, err)
	case t <= 0:
		d.add(n, "%s: must be more than 0s", path)
	}
	return t
}
