package imports

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestImportsFollowTheRules parses the files itself: a test that asks the go command is cached and would miss a violation.
func TestImportsFollowTheRules(t *testing.T) {
	files := 0
	eachFile(t, func(folder, file string, imported []string) {
		files++
		test := strings.HasSuffix(file, "_test.go")
		for _, path := range imported {
			if to, ok := strings.CutPrefix(path, "plan/"); ok {
				if ok, why := Allowed(folder, to); !ok && !(test && testMay(folder, to)) && folder != to {
					t.Errorf("%s imports plan/%s, which %s may not: %s", file, to, folder, why)
				}
				continue
			}
			for library, folders := range Libraries {
				if strings.HasPrefix(path, library) && !test && !below(folder, folders) {
					t.Errorf("%s imports %s, which stays below %s", file, path, strings.Join(folders, ", "))
				}
			}
		}
	})
	if files < 50 {
		t.Fatalf("only %d files found; the test looks at the wrong folder", files)
	}
}

func TestRulesRefuseWhatTheyShould(t *testing.T) {
	for _, pair := range [][2]string{
		{"engine", "steps"}, {"engine", "internal/kube"}, {"schema", "engine"}, {"steps/prune", "steps/notify"},
		{"steps/prune", "engine"}, {"steps", "engine"}, {"internal/kube", "engine"}, {"internal/backup", "steps"}, {"elsewhere", "schema"},
	} {
		if ok, _ := Allowed(pair[0], pair[1]); ok {
			t.Errorf("%s may import %s", pair[0], pair[1])
		}
	}
}

// testMay is what tests may import besides: the conformance suites and fakes.
func testMay(from, to string) bool {
	return from == "steps/all" && to == "engine" || to == "steps/steptest" || strings.HasSuffix(to, "test") || to == "schema"
}

func below(folder string, folders []string) bool {
	for _, f := range folders {
		if folder == f || strings.HasPrefix(folder, f+"/") {
			return true
		}
	}
	return false
}

func isModule(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

// eachFile visits every Go file of the module. Modules within it are left out.
func eachFile(t *testing.T, visit func(folder, file string, imported []string)) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") || isModule(path)) && rel != "." {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imported []string
		for _, spec := range parsed.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			imported = append(imported, name)
		}
		visit(filepath.ToSlash(filepath.Dir(rel)), rel, imported)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
