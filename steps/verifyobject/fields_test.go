package verifyobject

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"plan/internal/kube"
)

func decoded(t testing.TB, text string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := utiljson.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

const sample = `{
  "metadata": {"name": "x", "generation": 4, "labels": {"velero.io/schedule-name": "daily", "a b": "c"}},
  "status": {"phase": "Completed", "n": 3, "half": 0.5, "on": true, "nothing": null, "empty": "", "list": [1, 2],
    "conditions": [
      {"type": "Ready", "status": "True", "observedGeneration": 4},
      {"type": "Completed", "status": "True", "reason": "Failed", "message": "the job\nfailed"},
      {"type": "Old", "status": "True", "observedGeneration": 3},
      {"type": "Off", "status": "False"}, 7, {"status": "True"}]}}`

func TestPath(t *testing.T) {
	cases := map[string]struct {
		text, want string
		err        error
	}{
		"braces":             {"{.status.phase}", "Completed", nil},
		"braces, no dot":     {"{status.phase}", "Completed", nil},
		"dot":                {".status.phase", "Completed", nil},
		"bare":               {"status.phase", "Completed", nil},
		"key with dots":      {`metadata.labels.velero\.io/schedule-name`, "daily", nil},
		"key in brackets":    {`metadata.labels['velero\.io/schedule-name']`, "daily", nil},
		"filter":             {`status.conditions[?(@.type=="Completed")].reason`, "Failed", nil},
		"number in a filter": {"status.conditions[?(@.observedGeneration==3)].type", "Old", nil},
		"index":              {"status.list[1]", "2", nil},
		"integer":            {"status.n", "3", nil},
		"fraction":           {"status.half", "0.5", nil},
		"boolean":            {"status.on", "true", nil},
		"null":               {"status.nothing", "", nil},
		"below null":         {"status.nothing.at.all", "", nil},
		"empty":              {"status.empty", "", nil},
		"missing":            {"status.later", "", nil},
		"below a missing":    {"later.than.that", "", nil},
		"below a text":       {"status.phase.of", "", nil},
		"filter finds none":  {`status.conditions[?(@.type=="Never")].status`, "", nil},
		"several":            {"status.list[*]", "", errSeveral},
		"a mapping":          {"metadata.labels", "", errNoText},
		"a list":             {"status.list", "", errNoText},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := parsePath(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // a path is used for many objects
				got, err := p.value(decoded(t, sample))
				if got != tc.want || !errors.Is(err, tc.err) || (err != nil) != (tc.err != nil) {
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
}

func TestPathsThatAreNone(t *testing.T) {
	for _, text := range []string{"{", "{}", "{.a", "a}", "{.a}{.b}", "{.a} x", "{range .a[*]}{.b}{end}", "status.[", "a b", "{.a}\n{.b}", "a[?(", "[?(@.a=",
		"a..b", "a[0,1]", `a['b','c']`, "a[?(@[0,0]==1)]", "a[?(@..b==1)]", strings.Repeat("a.", 300)} {
		if p, err := parsePath(text); err == nil {
			t.Errorf("%q is read as %+v", text, p)
		}
	}
}

func TestCondition(t *testing.T) {
	cases := map[string]struct {
		text, want string // want: part of why it is not met; empty when it is
		err        error
	}{
		"type":                     {"Ready", "", nil},
		"type in other letters":    {"ready=true", "", nil},
		"type=status":              {"Off=False", "", nil},
		"another status":           {"Off", `condition Off is "False", not "True"`, nil},
		"reason and message":       {"Completed=False", `reason "Failed"; message "the job\nfailed"`, nil},
		"no such condition":        {"Archiving", "it has no condition Archiving", nil},
		"of an earlier generation": {"Old", "", errOutdated},
		"path":                     {"status.phase=Completed", "", nil},
		"path in braces":           {"{.status.phase}=Completed", "", nil},
		"path, another value":      {"status.phase=completed", `status.phase is "Completed", not "completed"`, nil},
		"path, nothing":            {"status.later=x", "nothing at status.later", nil},
		"path with a filter":       {`{.status.conditions[?(@.type=="Completed")].reason}=Succeeded`, `is "Failed", not "Succeeded"`, nil},
		"bare path with a filter":  {`status.conditions[?(@.type=="Completed")].reason=Failed`, "", nil},
		"value with equals signs":  {"status.phase=a=b", `not "a=b"`, nil},
		"number":                   {"status.n=3", "", nil},
		"several values":           {"status.list[*]=1", "", errSeveral},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c, err := parseCondition(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			why, err := c.unmet(decoded(t, sample))
			if !errors.Is(err, tc.err) || (why == "") != (tc.want == "") || !strings.Contains(why, tc.want) {
				t.Errorf("%q, %v", why, err)
			}
		})
	}
}

func TestConditionsThatAreNone(t *testing.T) {
	for _, text := range []string{"=True", "Ready=", "Ready==True", "status.phase", "status.phase=", "status.phase==Completed", "status.phase!=Failed", "!Ready", "a b", "{.a=b", "Ready!=True"} {
		if c, err := parseCondition(text); err == nil {
			t.Errorf("%q is read as %+v", text, c)
		}
	}
}

func TestStatusOfTheWholeObjectCounts(t *testing.T) {
	c, err := parseCondition("Ready")
	if err != nil {
		t.Fatal(err)
	}
	for observed, want := range map[string]error{"3": errOutdated, "4": nil, "5": nil, "0": nil, `"3"`: nil} {
		object := decoded(t, `{"metadata":{"generation":4},"status":{"observedGeneration":`+observed+`,"conditions":[{"type":"Ready","status":"True"}]}}`)
		if _, err := c.unmet(object); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("observed %s: %v", observed, err)
		}
	}
}

func TestResource(t *testing.T) {
	for text, want := range map[string]kube.Resource{
		"velero.io/v1/backups":        {Group: "velero.io", Version: "v1", Resource: "backups"},
		"apps/v1/deployments":         {Group: "apps", Version: "v1", Resource: "deployments"},
		"v1/pods":                     {Version: "v1", Resource: "pods"},
		"longhorn.io/v1beta2/volumes": {Group: "longhorn.io", Version: "v1beta2", Resource: "volumes"},
		"x.io/v1/secrets":             {Group: "x.io", Version: "v1", Resource: "secrets"},
	} {
		if got, err := parseResource(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"pods", "apps/deployments", "/v1/pods", "v1/pods/log", "v1/Pods", "a/b/v1/c", "v1/secrets", "v1/pods?watch=1", "../v1/pods", "velero.io/v1/", "v1/pods\n"} {
		if got, err := parseResource(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func TestWantedFindsAllProblemsAtOnce(t *testing.T) {
	_, err := (&Action{Resource: "pods", Selector: "a in", Time: "{", Condition: "=", Per: "everything"}).wanted()
	for _, field := range []string{"with.resource:", "with.selector:", "with.time:", "with.condition:", "with.per:"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not in %v", field, err)
		}
	}
}

func TestComplete(t *testing.T) {
	for name, a := range map[string]Action{
		"no resource":        {Time: "status.at", Per: perObject},
		"nothing to look at": {Resource: "v1/pods", Per: perObject},
		"newest of what":     {Resource: "v1/pods", Condition: "Ready", Per: perSelection},
	} {
		w, err := a.wanted()
		if err != nil || w.complete() == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzPath looks for texts and objects that a path does not survive.
func FuzzPath(f *testing.F) {
	for _, text := range []string{"status.phase", `{.a[?(@.b=="c")].d}`, "a[0:2:1]", "..a", "a[-1]", "a[*]", "{.a['b','c']}", "a[?(@.b>1)]", "a[5]"} {
		f.Add(text, sample)
		f.Add(text, `{"a":[{"b":1},{"b":null},null,[],"x"]}`)
		f.Add(text, `{"a":null}`)
	}
	f.Fuzz(func(t *testing.T, text, object string) {
		var o map[string]any
		if len(text) > 200 || len(object) > 2000 || json.Unmarshal([]byte(object), &o) != nil {
			return
		}
		if p, err := parsePath(text); err == nil {
			_, _ = p.value(o)
		}
		if c, err := parseCondition(text); err == nil {
			_, _ = c.unmet(o)
		}
	})
}
