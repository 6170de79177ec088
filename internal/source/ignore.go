package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

const (
	gitIgnore    = ".gitignore"
	dockerIgnore = ".dockerignore"
	planIgnore   = ".planignore"

	maxIgnoreFile = 256 << 10
)

// patterns are the lines of one ignore file, or of an option.
type patterns struct {
	file string // for messages
	base string // the folder that they count from; empty for the root
	list []*pattern
}

// last is the last pattern that matches, which decides; nil when none does.
func (ps *patterns) last(name string, isDir bool) *pattern {
	name = ps.relative(name)
	for i := len(ps.list) - 1; i >= 0; i-- {
		if ps.list[i].match(name, isDir) {
			return ps.list[i]
		}
	}
	return nil
}

// relative is a path below base as the patterns see it.
func (ps *patterns) relative(name string) string {
	if ps.base == "" {
		return name
	}
	return strings.TrimPrefix(name, ps.base+"/")
}

// nested are the ignore files of a folder and those above it, the root's first. What is deeper decides.
type nested []*patterns

func (n nested) last(name string, isDir bool) (*patterns, *pattern) {
	for i := len(n) - 1; i >= 0; i-- {
		if p := n[i].last(name, isDir); p != nil {
			return n[i], p
		}
	}
	return nil, nil
}

// and is n with one more, without touching what others hold of n.
func (n nested) and(ps *patterns) nested {
	if ps == nil {
		return n
	}
	return append(n[:len(n):len(n)], ps)
}

// parseIgnore reads a file of gitignore's grammar.
func parseIgnore(file string, data []byte) (*patterns, error) {
	ps := &patterns{file: file}
	if ps.base = path.Dir(file); ps.base == "." {
		ps.base = ""
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
		p, err := parsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", shown(file), n, err)
		}
		if p != nil {
			p.line = n
			ps.list = append(ps.list, p)
		}
	}
	return ps, nil
}

// readIgnore reads the ignore file of a folder; nil is none there.
func readIgnore(root *os.Root, base, name string) (*patterns, error) {
	data, err := readIgnoreData(root, path.Join(base, name))
	if data == nil || err != nil {
		return nil, err
	}
	return parseIgnore(path.Join(base, name), data)
}

// readIgnoreData is nil where there is no such file. Of .gitignore a symbolic link is no such file, as for git; the others' links are
// followed inside the directory.
func readIgnoreData(root *os.Root, file string) ([]byte, error) {
	stat := root.Stat
	if path.Base(file) == gitIgnore {
		stat = root.Lstat
	}
	info, err := stat(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, nil
	}
	if err == nil && info.Size() > maxIgnoreFile {
		err = fmt.Errorf("it is larger than %s", bytesText(maxIgnoreFile))
	}
	var f *os.File
	if err == nil {
		f, err = open(root, file, info)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shown(file), cause(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxIgnoreFile))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shown(file), cause(err))
	}
	return append([]byte{}, data...), nil
}

// readDockerIgnore reads the root's .dockerignore as Docker does; nil is none there.
func readDockerIgnore(root *os.Root) (*patternmatcher.PatternMatcher, error) {
	data, err := readIgnoreData(root, dockerIgnore)
	if data == nil || err != nil {
		return nil, err
	}
	lines, err := ignorefile.ReadAll(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dockerIgnore, err)
	}
	m, err := patternmatcher.New(lines)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dockerIgnore, err)
	}
	return m, nil
}

// parseOption reads the patterns of a field. Unlike in a file, one that is of no use is an error.
func parseOption(field string, texts []string) (*patterns, error) {
	ps := &patterns{file: field}
	for i, text := range texts {
		p, err := parsePattern(text)
		if err == nil {
			err = p.useful()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: pattern %q: %w", field, text, err)
		}
		p.line = i + 1
		ps.list = append(ps.list, p)
	}
	return ps, nil
}

// useful tells why a pattern cannot match anything.
func (p *pattern) useful() error {
	switch {
	case p == nil:
		return fmt.Errorf("it is empty or a comment; write \\# for a name that starts with #")
	case strings.HasPrefix(p.body, "./"):
		return fmt.Errorf("patterns count from the directory packed: write %s", strings.TrimLeft(p.body, "./"))
	case p.body == "..", strings.HasPrefix(p.body, "../"):
		return fmt.Errorf("it leads out of the directory packed")
	case p.body == "" || p.body == ".", !p.plain && !p.isTail && p.re == nil:
		return fmt.Errorf("it can match nothing")
	case strings.ContainsRune(p.text, '\n'):
		return fmt.Errorf("one pattern each")
	}
	return nil
}
