package source

import (
	"fmt"
	"path"
	"slices"

	"github.com/moby/patternmatcher"
)

// chooser decides what is packed.
type chooser struct {
	include, exclude *patterns
	docker           *patternmatcher.PatternMatcher // nil without a .dockerignore
	everything       bool
}

func newChooser(o Options) (*chooser, error) {
	include, err := parseOption("include", o.Include)
	if err != nil {
		return nil, err
	}
	exclude, err := parseOption("exclude", o.Exclude)
	return &chooser{include: include, exclude: exclude, everything: o.Everything}, err
}

// reason is why an entry is left out.
type reason int

const (
	kept     reason = iota
	excluded        // by the option, which nothing overrules
	denied          // only an include that names the entry overrules it
	ignored         // by .planignore: only an include does
	byGit           // .planignore does, too
	byDocker        // so does .dockerignore itself, for what is inside
)

// choice is what was decided on an entry, and on a folder what its entries inherit.
type choice struct {
	path   string
	reason reason
	why    string // in words

	inherited bool // left out with a folder above it
	included  bool // an include matched it or a folder above
	back      bool // .planignore brought it or a folder above back from .dockerignore
	ways      []way
	git, plan nested
	docker    patternmatcher.MatchInfo
}

// way is a pattern that leads into a folder that is left out: an include, or `!` of the .planignore file.
type way struct {
	file *patterns
	*pattern
}

// leads tells whether the way goes on into a folder.
func (w way) leads(dir string, spelled bool) bool { return w.reaches(w.file.relative(dir), spelled) }

// enter tells whether something below a folder may be packed.
func (c *chooser) enter(folder *choice) bool {
	return folder.reason == kept || len(folder.ways) > 0 || c.asks(folder)
}

// asks tells whether the entries of a folder are judged each by itself.
func (c *chooser) asks(folder *choice) bool {
	return folder.reason == kept || folder.reason == byDocker && c.docker.Exclusions()
}

// choose decides on the entry name of a folder that was entered.
func (c *chooser) choose(folder *choice, name string, isDir bool) (*choice, error) {
	e := &choice{path: path.Join(folder.path, name), included: folder.included, back: folder.back, git: folder.git, plan: folder.plan}
	if p := c.exclude.last(e.path, isDir); p != nil && !p.negated {
		e.leave(excluded, fmt.Sprintf("exclude %q", p.text))
		return e, nil
	}
	if why := c.denies(e.path, isDir); why != "" {
		e.leave(denied, why)
		e.ways = c.waysInto(e, folder)
		return e, nil
	}
	included := c.include.last(e.path, isDir)
	switch {
	case !c.asks(folder):
		c.inherit(e, folder, isDir)
		return e, nil
	case included != nil && !included.negated:
		e.included = true
	}
	if e.included {
		return e, nil
	}
	return e, c.ignores(e, folder, isDir)
}

func (e *choice) leave(r reason, why string) { e.reason, e.why = r, why }

// denies is the deny list's reason, or empty.
func (c *chooser) denies(name string, isDir bool) string {
	why := deniedName(name)
	if why == "" || c.named(name, isDir) || c.everything && why != gitData {
		return ""
	}
	return why
}

// named tells whether an include names an entry itself, not only a folder above it or everything.
func (c *chooser) named(name string, isDir bool) bool {
	p := c.include.last(name, isDir)
	return p != nil && !p.negated && p.names()
}

// inherit decides on an entry of a folder that is left out: only what leads into it brings something back.
func (c *chooser) inherit(e, folder *choice, isDir bool) {
	include := c.include.last(e.path, isDir)
	_, plan := e.plan.last(e.path, isDir)
	for _, w := range folder.ways {
		if w.file == c.include && include != nil && !include.negated && w.match(e.path, isDir) {
			e.included = true
			return
		}
		if w.pattern == plan {
			e.back = true
			return
		}
	}
	e.leave(folder.reason, folder.why)
	e.inherited = true
	e.ways = onward(folder.ways, e.path)
}

// onward are the ways that lead on into a folder further down.
func onward(ways []way, dir string) (further []way) {
	for _, w := range ways {
		if w.leads(dir, false) {
			further = append(further, w)
		}
	}
	return further
}

// ignores asks the ignore files.
func (c *chooser) ignores(e, folder *choice, isDir bool) error {
	byDockerFile, err := c.dockers(e, folder)
	if err != nil {
		return err
	}
	file, p := e.plan.last(e.path, isDir)
	switch {
	case p != nil && !p.negated:
		e.leave(ignored, ignoredBy(file, p))
	case p != nil:
		e.back = true
		return nil
	default:
		if file, p = e.git.last(e.path, isDir); p != nil && !p.negated {
			e.leave(byGit, ignoredBy(file, p))
		} else if byDockerFile && !e.back {
			e.leave(byDocker, "ignored by "+dockerIgnore)
			e.inherited = folder.reason == byDocker
		}
	}
	if isDir && e.reason != kept {
		e.ways = c.waysInto(e, folder)
	}
	return nil
}

func (c *chooser) dockers(e, folder *choice) (matched bool, err error) {
	if c.docker == nil {
		return false, nil
	}
	if matched, e.docker, err = c.docker.MatchesUsingParentResults(e.path, folder.docker); err != nil {
		return false, fmt.Errorf("match %s with %s: %w", shown(e.path), dockerIgnore, err)
	}
	return matched, nil
}

func ignoredBy(file *patterns, p *pattern) string {
	return fmt.Sprintf("ignored by %s:%d (%s)", shown(file.file), p.line, shown(p.text))
}

// waysInto are the patterns that lead into a folder that is left out, by their spelling or because they led to it already.
func (c *chooser) waysInto(e, folder *choice) []way {
	ways := onward(folder.ways, e.path)
	add := func(w way) {
		if w.leads(e.path, true) && !slices.Contains(ways, w) {
			ways = append(ways, w)
		}
	}
	for _, p := range c.include.list {
		if !p.negated {
			add(way{c.include, p})
		}
	}
	if e.reason == ignored || e.reason == denied {
		return ways
	}
	for _, file := range folder.plan {
		for _, p := range file.list {
			if p.negated {
				add(way{file, p})
			}
		}
	}
	return ways
}
