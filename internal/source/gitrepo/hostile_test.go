package gitrepo

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/google/go-cmp/cmp"

	"plan/internal/errclass"
)

// evilTree makes a commit whose folder is entries, "mode name\x00" and an object each, as no git would write it.
func (r repository) evilTree(t testing.TB, entries ...string) string {
	t.Helper()
	var raw bytes.Buffer
	for _, e := range entries {
		head, id, _ := strings.Cut(e, "=")
		h := plumbing.NewHash(id)
		raw.WriteString(head + "\x00")
		raw.Write(h[:])
	}
	tree := git(t, r.dir, raw.String(), "hash-object", "-t", "tree", "-w", "--literally", "--stdin")
	return r.commit(t, tree)
}

// commit makes a branch with one commit of a tree.
func (r repository) commit(t testing.TB, tree string) string {
	t.Helper()
	commit := git(t, r.dir, "", "commit-tree", "-m", "evil", tree)
	git(t, r.dir, "", "update-ref", "refs/heads/evil-"+commit[:8], commit)
	return commit
}

func (r repository) blob(t testing.TB, content string) string {
	t.Helper()
	return git(t, r.dir, content, "hash-object", "-w", "--stdin")
}

func TestNothingIsWrittenOutsideTheFolder(t *testing.T) {
	r := newRepository(t)
	u, o := serve(t, r.handler(t))
	blob, link := r.blob(t, "evil\n"), r.blob(t, "/tmp")
	up := r.blob(t, "..")
	inner := git(t, r.dir, "100644 blob "+blob+"\tevil\n", "mktree")
	for name, tc := range map[string]struct {
		entries []string
		want    string
	}{
		"dot dot":                      {[]string{"100644 ..=" + blob}, `".."`},
		"dot":                          {[]string{"100644 .=" + blob}, `"."`},
		"dot dot as folder":            {[]string{"40000 ..=" + inner}, `".."`},
		"slash":                        {[]string{"100644 a/b=" + blob}, `"a/b"`},
		"absolute":                     {[]string{"100644 /etc/evil=" + blob}, `"/etc/evil"`},
		"up":                           {[]string{"100644 ../evil=" + blob}, `"../evil"`},
		".git":                         {[]string{"40000 .git=" + inner}, `".git"`},
		".GIT":                         {[]string{"40000 .GIT=" + inner}, `".GIT"`},
		".git with a dot":              {[]string{"40000 .git.=" + inner}, `stands for .git`},
		".git with blanks":             {[]string{"40000 .Git . =" + inner}, `stands for .git`},
		".git as NTFS shortens it":     {[]string{"40000 GIT~1=" + inner}, `stands for .git`},
		".git with a stream":           {[]string{"40000 .git::$INDEX_ALLOCATION=" + inner}, `stands for .git`},
		".git as HFS+ reads it":        {[]string{"40000 .g\u200cit=" + inner}, `stands for .git`},
		"a file named .git":            {[]string{"100644 .git=" + blob}, `stands for .git`},
		"twice":                        {[]string{"100644 a=" + blob, "100644 a=" + blob}, "twice"},
		"a link and a folder":          {[]string{"120000 a=" + link, "40000 a=" + inner}, "twice"},
		"a link upwards and a folder":  {[]string{"120000 a=" + up, "40000 a=" + inner}, "twice"},
		"a link and a file":            {[]string{"120000 a=" + r.blob(t, "../evil"), "100644 a=" + blob}, "twice"},
		"a device":                     {[]string{"20644 a=" + blob}, "neither a file"},
		"a pipe":                       {[]string{"10644 a=" + blob}, "neither a file"},
		"setuid":                       {[]string{"104755 a=" + blob}, "neither a file"},
		"a link to nothing":            {[]string{"120000 a=" + r.blob(t, "")}, "cannot be a path"},
		"a link with NUL":              {[]string{"120000 a=" + r.blob(t, "a\x00b")}, "cannot be a path"},
		"a long link":                  {[]string{"120000 a=" + r.blob(t, strings.Repeat("a", maxPath+1))}, "cannot be a path"},
		"a long name":                  {[]string{"100644 " + strings.Repeat("a", maxPath+1) + "=" + blob}, "bytes long"},
		"a name too long for the disk": {[]string{"100644 " + strings.Repeat("a", 300) + "=" + blob}, "too long"},
		"escapes in a name":            {[]string{"20644 \x1b[2J\n=" + blob}, `\x1b[2J\n`},
	} {
		t.Run(name, func(t *testing.T) {
			above := t.TempDir()
			dir := filepath.Join(above, "a", "b")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := Fetch(t.Context(), u, r.evilTree(t, tc.entries...), dir, o)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.ContainsAny(err.Error(), "\x1b\x00\n") {
				t.Errorf("error %q does not say %q", err, tc.want)
			}
			for path := range tree(t, above) {
				if path != "a" && !strings.HasPrefix(path, "a/b") {
					t.Errorf("%s was written", path)
				}
			}
			if _, err := os.Stat("/tmp/evil"); err == nil {
				t.Error("/tmp/evil was written")
			}
		})
	}
}

// What git's own server does not send.
func TestFoldersThatNoServerOfGitSendsAreRefused(t *testing.T) {
	blob := packed{kind: plumbing.BlobObject, size: 5, content: "hello"}
	id := plumbing.ComputeHash(plumbing.BlobObject, []byte("hello"))
	for name, tc := range map[string]struct{ raw, want string }{
		"a name that is empty":    {"100644 \x00" + string(id[:]), `""`},
		"a mode that is none":     {"x a\x00" + string(id[:]), "neither a file"},
		"a mode that is empty":    {" a\x00" + string(id[:]), "neither a file"},
		"a folder that is a file": {"40000 a\x00" + string(id[:]), "is a blob and no tree"},
		"a file that is a folder": {"100644 a\x00" + string(make([]byte, 20)), "left out blob"},
		"cut in the hash":         {"100644 a\x00" + string(id[:19]), "is damaged: its entry 1 is cut"},
		"cut in the name":         {"100644 a\x00" + string(id[:]) + "100644 b", "is damaged: its entry 2 is cut"},
		"cut in the mode":         {"100644", "is damaged: its entry 1 is cut"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := readPack(bytes.NewReader(packOf(2, blob, packed{kind: plumbing.TreeObject, size: uint64(len(tc.raw)), content: tc.raw})),
				Options{}.limits(), func() error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			root, err := os.OpenRoot(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			w := &writer{pack: p, root: root, most: Options{}.limits(), alive: t.Context().Err}
			err = w.folder(plumbing.ComputeHash(plumbing.TreeObject, []byte(tc.raw)), "")
			if err == nil || !strings.Contains(err.Error(), tc.want) || errclass.Classify(err).Class != errclass.Final {
				t.Errorf("error %v does not say %q", err, tc.want)
			}
		})
	}
}

// Names that are odd and harm nobody are files.
func TestOddNamesAreFiles(t *testing.T) {
	r := newRepository(t)
	u, o := serve(t, r.handler(t))
	blob := r.blob(t, "x")
	want := map[string]string{}
	var entries []string
	for _, name := range []string{" ", "-rf", ".gitignore", ".gitmodules", ".gitx", "...", "a\\b", "dev-disk-by\\x2dlabel.swap", "git", "git~", "git~x", "x\ny", "\xff", "größe", "~"} {
		entries = append(entries, "100644 "+name+"="+blob)
		want[name] = "-rw x"
	}
	entries = append(entries, "100664 old="+blob, "040000 folder="+git(t, r.dir, "", "mktree"))
	want["old"], want["folder"] = "-rw x", "dir"
	dir := t.TempDir()
	_, err := Fetch(t.Context(), u, r.evilTree(t, entries...), dir, o)
	if diff := cmp.Diff(want, tree(t, dir)); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
}

func TestBoundsHold(t *testing.T) {
	r := newRepository(t)
	u, o := serve(t, r.handler(t))
	bomb := git(t, r.dir, "100644 blob "+r.blob(t, "x")+"\ta\n", "mktree")
	for range 40 { // 2^40 files of one byte, and each folder is small
		bomb = git(t, r.dir, "040000 tree "+bomb+"\ta\n040000 tree "+bomb+"\tb\n", "mktree")
	}
	deep := git(t, r.dir, "", "mktree")
	for range 20 {
		deep = git(t, r.dir, "040000 tree "+deep+"\t"+strings.Repeat("d", 250)+"\n", "mktree")
	}
	zeros := git(t, r.dir, "100644 blob "+r.blob(t, strings.Repeat("\x00", 3<<20))+"\tzeros\n", "mktree")
	random := make([]byte, 3<<20)
	for i := range random {
		random[i] = byte(i * i >> 7 * 31)
	}
	small := o.limits()
	with := func(change func(*limits)) limits {
		l := small
		change(&l)
		return l
	}
	for name, tc := range map[string]struct {
		tree string
		most limits
		want string
	}{
		"files that are many":  {bomb, with(func(l *limits) { l.files = 1000 }), "more than 1000 files and folders"},
		"paths that are long":  {deep, small, "over 4095 bytes"},
		"files that are large": {zeros, with(func(l *limits) { l.written = 1 << 20 }), "over 1 MiB"},
		"one large object":     {zeros, with(func(l *limits) { l.object = 1 << 20 }), "an object of 3 MiB, and 1 MiB are taken"},
		"a large pack":         {r.first + "^{tree}", with(func(l *limits) { l.received = 100 }), "sends more than"},
		"many objects":         {r.second + "^{tree}", with(func(l *limits) { l.objects = 3 }), "objects, and 3 are taken"},
		"a large folder":       {r.second + "^{tree}", with(func(l *limits) { l.tree = 100 }), "MiB are taken"},
		"a long list":          {r.second + "^{tree}", with(func(l *limits) { l.refs = 100 }), "list of references is over"},
	} {
		t.Run(name, func(t *testing.T) {
			o := o
			o.most = tc.most
			_, err := Fetch(t.Context(), u, r.commit(t, tc.tree), t.TempDir(), o)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v does not say %q", err, tc.want)
			}
		})
	}
	if _, err := Fetch(t.Context(), u, r.commit(t, zeros), t.TempDir(), o); err != nil {
		t.Errorf("within the bounds: %v", err)
	}
}

func TestTheFolderMustBeEmpty(t *testing.T) {
	r := newRepository(t)
	u, o := serve(t, r.handler(t))
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{full, filepath.Join(full, "none"), filepath.Join(full, "mine")} {
		if _, err := Fetch(t.Context(), u, r.second, dir, o); err == nil {
			t.Errorf("%s was taken", dir)
		}
	}
	if _, err := Fetch(t.Context(), u, "main", t.TempDir(), o); err == nil || errclass.Classify(err).Class != errclass.Final {
		t.Errorf("a branch is taken for a commit: %v", err)
	}
}
