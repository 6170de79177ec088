package gitrepo

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing"

	"plan/internal/printable"
	"plan/schema"
)

// Kinds of entries, as git writes them.
const (
	modeFile       = "100644"
	modeFileOld    = "100664" // of early versions
	modeExecutable = "100755"
	modeLink       = "120000"
	modeFolder     = "40000"
	modeFolderOld  = "040000"
	modeSubmodule  = "160000"
)

// entry is a line of a folder's object.
type entry struct {
	mode, name string
	hash       plumbing.Hash
}

// commit gives the root folder of a commit.
func (p *pack) commit(h plumbing.Hash) (plumbing.Hash, error) {
	raw, err := p.content(h, plumbing.CommitObject)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	id, ok := strings.CutPrefix(first, "tree ")
	if !ok || !IsCommit(id) || len(id) != 40 {
		return plumbing.ZeroHash, aboutf(invalid, "the commit is damaged: it names no folder")
	}
	return plumbing.NewHash(id), nil
}

// descend follows a path of folders, whose parts are joined by "/".
func (p *pack) descend(tree plumbing.Hash, path string) (plumbing.Hash, error) {
	if path == "" || path == "." {
		return tree, nil
	}
	for part := range strings.SplitSeq(path, "/") {
		entries, err := p.folder(tree)
		if err != nil {
			return tree, err
		}
		i := slices.IndexFunc(entries, func(e entry) bool { return e.name == part })
		switch {
		case i < 0:
			return tree, noFolder(entries, path, part)
		case entries[i].mode == modeSubmodule:
			return tree, aboutf(invalid, `path "%s": %q is a submodule, which is not fetched: name its repository as the source`, printable.String(path), part)
		case entries[i].mode != modeFolder && entries[i].mode != modeFolderOld:
			return tree, aboutf(invalid, `path "%s": %q is a file or a link, and a folder is wanted`, printable.String(path), part)
		}
		tree = entries[i].hash
	}
	return tree, nil
}

func noFolder(entries []entry, path, part string) error {
	var names []string
	for _, e := range entries {
		if e.mode == modeFolder || e.mode == modeFolderOld {
			names = append(names, e.name)
		}
	}
	hint := ""
	if near := schema.Suggest(part, names); near != "" {
		hint = `: did you mean "` + printable.String(near) + `"?`
	}
	return aboutf(missing, `path "%s": the commit has no folder %q there%s`, printable.String(path), part, hint)
}

// folder gives the entries of a folder's object: mode, blank, name, NUL, and 20 bytes of hash, again and again.
func (p *pack) folder(h plumbing.Hash) ([]entry, error) {
	raw, err := p.content(h, plumbing.TreeObject)
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(raw)
	if err != nil {
		return nil, aboutf(invalid, "the folder %s is damaged: %w", h, err)
	}
	return entries, nil
}

func parseTree(raw []byte) ([]entry, error) {
	var entries []entry
	for len(raw) > 0 {
		mode, rest, found := bytes.Cut(raw, []byte(" "))
		name, rest, ended := bytes.Cut(rest, []byte{0})
		var e entry
		if !found || !ended || len(rest) < len(e.hash) {
			return nil, fmt.Errorf("its entry %d is cut", len(entries)+1)
		}
		e.mode, e.name = string(mode), string(name)
		raw = rest[copy(e.hash[:], rest):]
		entries = append(entries, e)
	}
	return entries, nil
}

// checkName refuses names that lead out of a folder, or into the one where git keeps what it obeys, on any file system.
func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("the name %q cannot be one of a file", name)
	case isDotGit(name):
		return fmt.Errorf("the name %q stands for .git, which a commit cannot have in it", name)
	}
	return nil
}

// isDotGit says whether a file system may take name for ".git": some ignore case, or format characters within (HFS+), or dots and blanks
// at the end and what follows a colon (NTFS, which also has short names).
func isDotGit(name string) bool {
	name, _, _ = strings.Cut(name, ":")
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
	name = strings.TrimRight(name, " .")
	number, short := strings.CutPrefix(name, "git~")
	return name == ".git" || short && number != "" && strings.Trim(number, "0123456789") == ""
}
