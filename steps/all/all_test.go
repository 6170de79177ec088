package all_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"plan/schema"
	"plan/steps"
	"plan/steps/all"
)

// TestListIsComplete fails for a folder below steps that holds a kind (it has a schema.json) and is not on the list, for a folder that is
// neither, and for a list out of order.
func TestListIsComplete(t *testing.T) {
	var listed, found []string
	for _, k := range all.Kinds() {
		listed = append(listed, strings.ReplaceAll(k.Name, "-", ""))
	}
	if !slices.IsSorted(listed) || len(slices.Compact(slices.Clone(listed))) != len(listed) {
		t.Errorf("the list is not sorted, or has a kind twice: %v", listed)
	}
	folders, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if f.IsDir() && f.Name() != "all" && f.Name() != "steptest" {
			found = append(found, f.Name())
		}
	}
	if !slices.Equal(listed, found) {
		t.Errorf("listed %v, folders %v", listed, found)
	}
	for _, folder := range found {
		for _, file := range []string{folder + ".go", folder + "_test.go", "schema.json", "README.md", "example.yaml"} {
			if _, err := os.Stat(filepath.Join("..", folder, file)); err != nil {
				t.Errorf("a kind has the same files as all others: %v", err)
			}
		}
	}
}

func TestEverySchemaCompiles(t *testing.T) {
	for _, k := range all.Kinds() {
		if _, err := schema.CompileKind(k.Name, k.Schema); err != nil {
			t.Error(err)
		}
		if k.Doc == "" || k.New == nil {
			t.Errorf("%s is not complete", k.Name)
		}
	}
}

// A store is listed before the first step, so each kind that works on one says where. Where a store is for one part of the work only, as
// the snapshots that verify-node-token may compare a token with, it is needed once prefix is set, and a plan without it needs none.
func TestKindsWithAStoreNameTheirPlaces(t *testing.T) {
	optional := []string{"verify-node-token"}
	for _, k := range all.Kinds() {
		action := k.New()
		if slices.Contains(optional, k.Name) {
			if places := action.Needs(steps.Scope{Cluster: "home"}).Places; len(places) > 0 {
				t.Errorf("%s needs %v without a prefix", k.Name, places)
			}
			if err := steps.Decode(map[string]any{"prefix": "p/"}, action); err != nil {
				t.Fatal(err)
			}
		}
		needs := len(action.Needs(steps.Scope{Cluster: "home"}).Places) > 0
		has := gjson.GetBytes(k.Schema, "properties.store").Exists() ||
			len(gjson.GetBytes(k.Schema, "properties.@values.#.properties.store").Array()) > 0
		if has != needs {
			t.Errorf("%s: has a field store: %t, needs a store: %t", k.Name, has, needs)
		}
	}
}
