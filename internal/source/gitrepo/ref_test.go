package gitrepo

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"

	"plan/internal/errclass"
)

func refused() []string {
	return []string{"-x", "--upload-pack=id", "a..b", "a~1", "main^", "main^{}", "a:b", "a?", "a*", "a[", `a\b`, "a b", "a\nb", "a\x00", "a\x7f", "a\u202eb",
		"/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "@", "a@{1}", "@{u}", "\xff", strings.Repeat("a", maxRef+1)}
}

func accepted() []string {
	return []string{"", "HEAD", "main", "feature/a-b", "v1.0", "refs/heads/main", "refs/pull/3/head", "größe", "a@b", "a.lockx", "@a", "a-", "$(id)", "a;b",
		strings.Repeat("0", 40), strings.Repeat("aF", 32)}
}

func TestReferencesFollowGitsRules(t *testing.T) {
	for _, ref := range refused() {
		if err := CheckRef(ref); err == nil || strings.ContainsAny(err.Error(), "\n\x00\x7f\u202e") {
			t.Errorf("CheckRef(%q) = %v", ref, err)
		}
	}
	for _, ref := range accepted() {
		if err := CheckRef(ref); err != nil {
			t.Errorf("CheckRef(%q) = %v", ref, err)
		}
	}
}

// What git itself refuses is refused here.
func TestWhatGitRefusesAsReferenceIsRefused(t *testing.T) {
	for _, ref := range append(refused(), accepted()...) {
		if ref == "" || strings.Contains(ref, "\x00") {
			continue
		}
		byGit := exec.Command("git", "check-ref-format", "refs/heads/"+ref).Run() == nil
		if ours := CheckRef(ref) == nil; ours && !byGit {
			t.Errorf("%q: git refuses it", ref)
		}
	}
}

func refsOf(pairs ...string) *packp.AdvRefs {
	refs := packp.NewAdvRefs()
	for i := 0; i < len(pairs); i += 2 {
		h := plumbing.NewHash(strings.Repeat(pairs[i+1], 40))
		if name, ok := strings.CutSuffix(pairs[i], "^{}"); ok {
			refs.Peeled[name] = h
		} else if pairs[i] == "HEAD" {
			refs.Head = &h
		} else {
			refs.References[pairs[i]] = h
		}
	}
	return refs
}

func TestPick(t *testing.T) {
	refs := refsOf("HEAD", "1", "refs/heads/main", "1", "refs/heads/both", "2", "refs/tags/both", "3", "refs/heads/same", "4", "refs/tags/same", "5",
		"refs/tags/same^{}", "4", "refs/tags/v1", "6", "refs/tags/v1^{}", "7", "refs/pull/3/head", "8", "refs/heads/rele\x1b[2Jase", "9")
	for ref, want := range map[string]string{
		"": "1", "HEAD": "1", "main": "1", "heads/main": "1", "refs/heads/both": "2", "refs/tags/both": "3", "tags/both": "3", "same": "4", "v1": "7",
		"refs/tags/v1": "7", "refs/pull/3/head": "8", "pull/3/head": "8",
		"both":            "it is refs/heads/both (2222222222222222222222222222222222222222) and refs/tags/both (3333333333333333333333333333333333333333): write one of them in full",
		"mian":            `did you mean "main"?`,
		"refs/heads/mian": `did you mean "main"?`,
		"1111111":         "give all of its 40 digits",
		"nothing-alike":   `(there are both, main, rele\x1b[2Jase, same, both, same, v1)`,
		"rele2Jase":       `did you mean "rele\x1b[2Jase"?`,
	} {
		t.Run(ref, func(t *testing.T) {
			got, err := pick(refs, ref)
			switch {
			case len(want) == 1 && (err != nil || got.String() != strings.Repeat(want, 40)):
				t.Errorf("pick = %s, %v", got, err)
			case len(want) > 1 && (err == nil || !strings.Contains(err.Error(), want)):
				t.Errorf("pick = %s, %v, want %s", got, err, want)
			case err != nil && errclass.Classify(err).Class != errclass.Final:
				t.Errorf("%v is %+v", err, errclass.Classify(err))
			}
		})
	}
	if _, err := pick(refsOf("refs/heads/main", "1"), ""); err == nil || !strings.Contains(err.Error(), "name one as ref (there are main)") {
		t.Errorf("without HEAD: %v", err)
	}
}
