// Package imports holds the rules of who may import whom. The test beside it reads every Go file of the module and enforces them.
package imports

import "strings"

// Rule says what packages below a folder may import of this module. The first rule whose folder matches decides.
type Rule struct {
	Folder string   // of the importing package; "steps/*" is each folder directly below steps
	May    []string // folders of imported packages; "x/*" is everything below x
	Why    string
}

// Rules are ordered: the special before the general.
var Rules = []Rule{
	{"cmd/plan", []string{"*"}, "the command is where the parts meet"},
	{"internal/generate", []string{"*"}, "the generator sees every kind"},
	{"test/rigs", []string{"*"}, "rigs run the program and read what it leaves"},
	{"bench/*", []string{"*"}, "benchmarks measure whatever there is"},
	{"engine", []string{"schema"}, "the engine walks; it does not know what"},
	{"schema", nil, "the schema package is the bottom"},
	{"steps/all", []string{"steps", "steps/*", "schema"}, "the list of all kinds"},
	{"steps/steptest", []string{"steps", "schema", "internal/*"}, "the suite that every kind passes"},
	{"steps/*", []string{"steps", "internal/*"}, "a kind stands alone: never another kind, never the engine"},
	{"steps", []string{"schema", "internal/*"}, "the contract knows no engine and no kind"},
	{"internal/report", []string{"engine", "steps", "schema", "internal/*"}, "printers consume the engine's events and the kinds' changes"},
	{"internal/runstore", []string{"engine", "schema", "internal/*"}, "where runs are kept is told in the engine's records"},
	{"internal/backup/job", []string{"steps", "schema", "internal/*"}, "the backup that several kinds make is written against the contract of kinds"},
	{"internal/checks/*", []string{"steps", "schema", "internal/*"}, "checks that several kinds are made of are written against the contract of kinds"},
	{"internal/rbac", []string{"steps"}, "what grants permissions is written against the contract of kinds"},
	{"internal/*", []string{"internal/*", "schema"}, "libraries know neither engine nor steps"},
}

// Libraries that may be imported only below the folders named, so that exchanging one touches few files.
var Libraries = map[string][]string{
	"gopkg.in/yaml.v3":                       {"schema", "engine", "steps", "internal/secrets", "cmd/plan", "bench"},
	"github.com/santhosh-tekuri/jsonschema":  {"schema", "bench"},
	"cel.dev/cel-go":                         {"engine"},
	"github.com/aws":                         {"internal/objectstore", "internal/errclass", "bench"},
	"github.com/alecthomas/kong":             {"cmd/plan", "bench"},
	"github.com/go-git/go-git":               {"internal/source"},
	"github.com/google/go-containerregistry": {"internal/source", "internal/image"},
	"k8s.io/pod-security-admission":          {"internal/workload"},
}

// matches tells whether a folder is the pattern's: "x" itself, "x/*" anything below x, "*" everything.
func matches(pattern, folder string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(folder, prefix)
	}
	return pattern == folder
}

// Allowed tells whether a package of this module may import another.
func Allowed(from, to string) (bool, string) {
	for _, rule := range Rules {
		if !matches(rule.Folder, from) {
			continue
		}
		for _, pattern := range rule.May {
			if matches(pattern, to) {
				return true, rule.Why
			}
		}
		return false, rule.Why
	}
	return false, "no rule names the folder"
}
