package schema_test

import (
	"encoding/json"
	"testing"

	"plan/schema"
)

func TestSharedDurationIsTheParsers(t *testing.T) {
	var defs struct {
		Defs map[string]struct{ Pattern string } `json:"$defs"`
	}
	if err := json.Unmarshal(schema.Defs, &defs); err != nil {
		t.Fatal(err)
	}
	if got := defs.Defs["duration"].Pattern; got != schema.DurationPattern {
		t.Errorf("defs.json has the pattern %s, the parser %s", got, schema.DurationPattern)
	}
}

func TestSharedDefinitions(t *testing.T) {
	kind := `{"type": "object", "properties": {"v": {"$ref": "defs.json#/$defs/value"}, "s": {"$ref": "defs.json#/$defs/secret"},
		"k": {"$ref": "defs.json#/$defs/keep"}, "d": {"$ref": "defs.json#/$defs/duration"}}}`
	compiled, err := schema.CompileKind("test", []byte(kind))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]bool{
		`{"v": "x"}`: true, `{"v": {"from": {"env": "A"}}}`: true, `{"v": 5}`: false, `{"v": {"form": {"env": "A"}}}`: false,
		`{"s": "x"}`: false, `{"s": {"from": {"env": "A"}}}`: true, `{"s": {"from": {}}}`: false, `{"s": {"from": {"env": ""}}}`: false,
		`{"s": {"from": {"env": "A", "file": "b"}}}`: false, `{"s": {"from": {"exec": {}}}}`: false, `{"s": {"from": {"env": "A"}, "x": 1}}`: false,
		`{"s": {"from": {"kubernetes": {"name": "n", "key": "k"}}}}`: true, `{"s": {"from": {"kubernetes": {"name": "n"}}}}`: false,
		`{"s": {"from": {"bitwarden": {"id": "11111111-1111-4111-8111-111111111111"}}}}`: true, `{"s": {"from": {"bitwarden": {"id": "x"}}}}`: false,
		`{"s": {"from": {"bitwarden": {"project": "p", "key": "k"}}}}`: true, `{"s": {"from": {"bitwarden": {"project": "p"}}}}`: false,
		`{"s": {"from": {"bitwarden": {"id": "11111111-1111-4111-8111-111111111111", "key": "k"}}}}`: false, `{"s": {"from": {"bitwarden": {}}}}`: false,
		`{"s": {"from": {"exec": {"command": ["bws", "", "a\nb"]}}}}`: true, `{"v": {"from": {"exec": {"command": ["bws"], "timeout": "1m30s"}}}}`: true,
		`{"s": {"from": {"exec": {"command": "bws"}}}}`: false, `{"s": {"from": {"exec": {"command": []}}}}`: false, `{"s": {"from": {"exec": {"command": [""]}}}}`: false,
		`{"s": {"from": {"exec": {"command": ["a", 5]}}}}`: false, `{"s": {"from": {"exec": {"command": ["a", "${{ params.x }}"]}}}}`: false,
		`{"s": {"from": {"exec": {"command": ["a"], "timeout": "0h0s"}}}}`: false, `{"s": {"from": {"exec": {"command": ["a"], "timeout": "30"}}}}`: false,
		`{"s": {"from": {"exec": {"command": ["a"], "shell": true}}}}`: false, `{"s": {"from": {"exec": {"command": ["a"], "timeout": "10ms"}}}}`: true,
		`{"k": {"last": 1}}`: true, `{"k": {}}`: false, `{"k": {"last": 0}}`: false, `{"k": {"yearly": 1}}`: false,
		`{"d": "1d12h"}`: true, `{"d": ""}`: false, `{"d": "1h1d"}`: false, `{"d": 5}`: false,
	}
	for text, valid := range cases {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(v); (err == nil) != valid {
			t.Errorf("%s: %v", text, err)
		}
	}
}
