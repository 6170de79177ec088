package main

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// flagVariable is a flag that has a variable.
type flagVariable struct {
	variable, flag, help string
	commands             []string
}

// member is a field of a struct of cmd/plan.
type member struct {
	name, of string // of is the type's name
	embedded bool
	tag      reflect.StructTag
}

// flagVariables finds the flags with variables in the structs of the command tree, which is a main package and cannot be imported.
func flagVariables(root string) ([]flagVariable, error) {
	structs, err := commandStructs(filepath.Join(root, "cmd", "plan"))
	if err != nil {
		return nil, err
	}
	structs["RunCmd"] = append(structs["RunCmd"], member{of: "kindFlags", embedded: true}, member{of: "storeFlags", embedded: true})
	found := map[string]*flagVariable{}
	for _, command := range structs["CLI"] {
		collect(structs, command.of, strings.ToLower(command.name), found)
	}
	list := make([]flagVariable, 0, len(found))
	for _, f := range found {
		slices.Sort(f.commands)
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b flagVariable) int { return cmp.Compare(a.variable, b.variable) })
	return list, nil
}

func collect(structs map[string][]member, name, command string, found map[string]*flagVariable) {
	for _, m := range structs[name] {
		if m.embedded {
			collect(structs, m.of, command, found)
			continue
		}
		if _, sub := m.tag.Lookup("cmd"); sub {
			collect(structs, m.of, command+" "+strings.ToLower(m.name), found)
			continue
		}
		variable := m.tag.Get("env")
		if variable == "" {
			continue
		}
		flag := cmp.Or(m.tag.Get("name"), kebab(m.name))
		f, ok := found[variable+flag]
		if !ok {
			f = &flagVariable{variable: variable, flag: flag, help: m.tag.Get("help")}
			found[variable+flag] = f
		}
		if len(m.tag.Get("help")) > len(f.help) {
			f.help = m.tag.Get("help") // commands may say it in fewer words; the fullest tells most
		}
		f.commands = append(f.commands, command)
	}
}

// commandStructs reads the struct types of a package's files.
func commandStructs(dir string) (map[string][]member, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	structs := map[string][]member{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				structs[spec.Name.Name] = members(s)
			}
			return false
		})
	}
	return structs, nil
}

func members(s *ast.StructType) (list []member) {
	for _, field := range s.Fields.List {
		m := member{embedded: len(field.Names) == 0}
		if id, ok := field.Type.(*ast.Ident); ok {
			m.of = id.Name
		}
		if field.Tag != nil {
			if tag, err := strconv.Unquote(field.Tag.Value); err == nil {
				m.tag = reflect.StructTag(tag)
			}
		}
		for _, name := range field.Names {
			m.name = name.Name
		}
		list = append(list, m)
	}
	return list
}

// kebab is a Go name as a flag: MaxParallel is max-parallel.
func kebab(s string) string {
	var b strings.Builder
	for i, r := range s {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
