package verifystore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/checks/checktest"
	"plan/internal/objectstore"
	"plan/steps"
	"plan/steps/steptest"
	"plan/steps/verifystore"
)

func TestConforms(t *testing.T) {
	steptest.Conforms(t, verifystore.Kind(), steptest.Fixture{
		// The suite's store dates everything 1970-01-01.
		With: map[string]any{"prefix": "dumps", "maxAge": "40000d", "minSize": "3", "pattern": `.*\.gz`},
		World: func(t *testing.T) *steptest.World {
			w := steptest.NewWorld(t)
			w.Store.Add("dumps/a.gz", []byte("abc"), nil)
			w.Store.Add("dumps/b.gz", []byte("abcd"), nil)
			w.Store.Add("dumps/readme", []byte("x"), nil)
			return w
		},
	})
}

// listing is a store that has what is listed here.
type listing struct {
	objectstore.Store
	objects []objectstore.Object
	err     error
	after   int // objects before err
}

func (l *listing) List(ctx context.Context, prefix string, _ objectstore.ListOptions) iter.Seq2[objectstore.Object, error] {
	return func(yield func(objectstore.Object, error) bool) {
		for i, o := range l.objects {
			if l.err != nil && i == l.after {
				break
			}
			if strings.HasPrefix(o.Key, prefix) && !yield(o, nil) {
				return
			}
		}
		if l.err != nil {
			yield(objectstore.Object{}, l.err)
		}
	}
}

func object(key string, size int64, age time.Duration) objectstore.Object {
	return objectstore.Object{Key: key, Size: size, LastModified: steptest.Started.Add(-age)}
}

func run(t *testing.T, store objectstore.Store, with map[string]any) (steps.Result, error) {
	t.Helper()
	w := steptest.NewWorld(t)
	w.Env.Store = func(string) (objectstore.Store, error) { return store, nil }
	action := verifystore.Kind().New()
	if err := steps.Decode(with, action); err != nil {
		t.Fatal(err)
	}
	if err := action.Validate(); err != nil {
		t.Fatal(err)
	}
	result, err := action.Run(t.Context(), w.Env)
	checktest.Complete(t, result.Outputs["findings"])
	return result, err
}

// names are the findings, each with its verdict.
func names(r steps.Result) string {
	var all []string
	for _, f := range r.Outputs["findings"].([]any) {
		m := f.(map[string]any)
		all = append(all, fmt.Sprintf("%s=%s", m["finding"], m["verdict"]))
	}
	return strings.Join(all, " ")
}

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

func TestWhatIsFound(t *testing.T) {
	undated := objectstore.Object{Key: "dumps/undated", Size: 9}
	cases := map[string]struct {
		objects []objectstore.Object
		more    map[string]any // beside prefix dumps/ and maxAge 26h
		found   string
		verdict steps.Verdict
		newest  any
		count   int64
	}{
		"fresh":                {[]objectstore.Object{object("dumps/a", 9, 50*hour), object("dumps/b", 9, 2*hour)}, nil, "OK=pass", steps.Pass, "dumps/b", 2},
		"at the limit":         {[]objectstore.Object{object("dumps/a", 9, 26*hour)}, nil, "OK=pass", steps.Pass, "dumps/a", 1},
		"stale":                {[]objectstore.Object{object("dumps/a", 9, 26*hour+time.Second)}, nil, "STALE=fail", steps.Fail, "dumps/a", 1},
		"key order is not age": {[]objectstore.Object{object("dumps/a", 9, 1*hour), object("dumps/z", 9, 30*day)}, nil, "OK=pass", steps.Pass, "dumps/a", 2},
		"none":                 {nil, nil, "NO_BACKUP=fail", steps.Fail, nil, 0},
		"only the neighbour's": {[]objectstore.Object{object("dumps-other/a", 9, hour)}, nil, "NO_BACKUP=fail", steps.Fail, nil, 0},
		"none matches":         {[]objectstore.Object{object("dumps/a.txt", 9, hour)}, map[string]any{"pattern": `.*\.gz`}, "NO_BACKUP=fail", steps.Fail, nil, 0},
		"pattern is of the whole key": {[]objectstore.Object{object("dumps/x/a.gz", 9, hour), object("dumps/b.gz.part", 9, hour), object("dumps/b.gz", 9, 30*hour)},
			map[string]any{"pattern": `[a-z]\.gz|never`}, "STALE=fail", steps.Fail, "dumps/b.gz", 1},
		"too small":           {[]objectstore.Object{object("dumps/a", 99, 30*hour), object("dumps/b", 20, hour)}, map[string]any{"minSize": 21}, "TOO_SMALL=fail", steps.Fail, "dumps/b", 2},
		"too small and stale": {[]objectstore.Object{object("dumps/a", 20, 3*day)}, map[string]any{"minSize": "1Ki"}, "STALE=fail TOO_SMALL=fail", steps.Fail, "dumps/a", 1},
		"large enough":        {[]objectstore.Object{object("dumps/a", 1024, hour)}, map[string]any{"minSize": "1Ki"}, "OK=pass", steps.Pass, "dumps/a", 1},
		"empty is left out":   {[]objectstore.Object{object("dumps/a", 9, 3*hour), object("dumps/b", 0, hour)}, nil, "OK=pass EMPTY=none", steps.Pass, "dumps/a", 1},
		"empty hides nothing": {[]objectstore.Object{object("dumps/a", 9, 3*day), object("dumps/b", 0, hour)}, nil, "STALE=fail EMPTY=none", steps.Fail, "dumps/a", 1},
		"all empty":           {[]objectstore.Object{object("dumps/b", 0, hour)}, nil, "NO_BACKUP=fail EMPTY=none", steps.Fail, nil, 0},
		"a folder's marker":   {[]objectstore.Object{object("dumps/", 0, hour), object("dumps/x/", 5, hour)}, nil, "NO_BACKUP=fail", steps.Fail, nil, 0},
		"future-dated":        {[]objectstore.Object{object("dumps/a", 9, hour), object("dumps/b", 9, -6*time.Minute)}, nil, "FUTURE_DATED=fail OK=pass", steps.Fail, "dumps/a", 1},
		"only future-dated":   {[]objectstore.Object{object("dumps/b", 9, -day)}, nil, "FUTURE_DATED=fail", steps.Fail, nil, 0},
		"clocks differ":       {[]objectstore.Object{object("dumps/b", 9, -4*time.Minute)}, nil, "OK=pass", steps.Pass, "dumps/b", 1},
		"undated":             {[]objectstore.Object{undated}, nil, "UNREADABLE=unknown", steps.Unknown, nil, 0},
		"undated beside":      {[]objectstore.Object{object("dumps/a", 9, hour), undated}, nil, "OK=pass UNREADABLE=none", steps.Pass, "dumps/a", 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			with := map[string]any{"prefix": "dumps", "maxAge": "26h"}
			maps.Copy(with, tc.more)
			result, err := run(t, &listing{objects: tc.objects}, with)
			if err != nil {
				t.Fatal(err)
			}
			if names(result) != tc.found || result.Verdict != tc.verdict || result.Outputs["newest"] != tc.newest || result.Outputs["objects"] != tc.count {
				t.Errorf("%s, verdict %s, newest %v of %v", names(result), result.Verdict, result.Outputs["newest"], result.Outputs["objects"])
			}
			if _, told := result.Outputs["age"]; told != (tc.newest != nil) {
				t.Errorf("age is %v", result.Outputs["age"])
			}
		})
	}
}

// TestNoErrorReadsAsNoBackupsOrAsAPass breaks the listing in every way, before the first object and behind fresh ones.
func TestNoErrorReadsAsNoBackupsOrAsAPass(t *testing.T) {
	all := checktest.Store()
	maps.Copy(all, checktest.Anywhere())
	objects := []objectstore.Object{object("dumps/a", 9, hour), object("dumps/b", 9, 30*day)}
	for name, tc := range all {
		for after := range objects {
			t.Run(fmt.Sprintf("%s after %d", name, after), func(t *testing.T) {
				result, err := run(t, &listing{objects: objects, err: tc.Err, after: after}, map[string]any{"prefix": "dumps/", "maxAge": "26h"})
				if result.Verdict != steps.Unknown || names(result) != string(tc.Name)+"=unknown" {
					t.Errorf("verdict %s: %s", result.Verdict, names(result))
				}
				if _, told := result.Outputs["objects"]; told || result.Outputs["newest"] != nil {
					t.Errorf("half a listing gave outputs: %v", result.Outputs)
				}
				if got := errors.Is(err, tc.Err); got != (tc.Again || tc.Ended) {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}

func TestOutputsOfAPass(t *testing.T) {
	result, err := run(t, &listing{objects: []objectstore.Object{object("dumps/a", 12<<20, 90*time.Minute+time.Millisecond)}}, map[string]any{"prefix": "dumps", "maxAge": "26h", "minSize": "10Mi"})
	if err != nil {
		t.Fatal(err)
	}
	want := steps.Result{
		Verdict: steps.Pass, Reason: "dumps/a: 1h30m old, 12 MiB, the newest of 1",
		Outputs: map[string]any{"newest": "dumps/a", "age": 90 * time.Minute, "objects": int64(1), "findings": []any{map[string]any{
			"finding": "OK", "verdict": "pass", "object": "dumps/a", "message": "1h30m old, 12 MiB, the newest of 1", "cause": "", "next": "",
			"data": map[string]any{"time": "2026-03-02T00:29:59Z", "age": "1h30m", "size": int64(12 << 20)},
		}}},
	}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Error(diff)
	}
}

func TestAStoreThatIsNotThereIsAnError(t *testing.T) {
	w := steptest.NewWorld(t)
	w.Env.Store = func(string) (objectstore.Store, error) { return nil, errors.New(`there is no store "main"`) }
	result, err := verifystore.Kind().New().Run(t.Context(), w.Env)
	if err == nil || result.Verdict != "" {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestValidateRefuses(t *testing.T) {
	cases := map[string]struct {
		with map[string]any
		want string // empty: accepted
	}{
		"plain":               {map[string]any{"prefix": "a/b"}, ""},
		"whole store":         {map[string]any{"prefix": ""}, ""},
		"bytes":               {map[string]any{"minSize": json.Number("17")}, ""},
		"quantity":            {map[string]any{"minSize": "1.5Gi"}, ""},
		"leaves the store":    {map[string]any{"prefix": "a/../b"}, "with.prefix:"},
		"not an expression":   {map[string]any{"pattern": "a("}, "with.pattern:"},
		"closes the group":    {map[string]any{"pattern": "a)|(b"}, "with.pattern:"},
		"no quantity":         {map[string]any{"minSize": "10MB"}, "with.minSize:"},
		"half a byte":         {map[string]any{"minSize": "0.5"}, "with.minSize:"},
		"fraction":            {map[string]any{"minSize": 1.5}, "with.minSize:"},
		"negative":            {map[string]any{"minSize": -1}, "with.minSize:"},
		"negative quantity":   {map[string]any{"minSize": "-1Ki"}, "with.minSize:"},
		"larger than a store": {map[string]any{"minSize": "100E"}, "with.minSize:"},
		"a list":              {map[string]any{"minSize": []any{1}}, "with.minSize:"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			action := verifystore.Kind().New()
			if err := steps.Decode(tc.with, action); err != nil {
				t.Fatal(err)
			}
			err := action.Validate()
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

func TestPeopleAreToldWhatIsLeftOut(t *testing.T) {
	w := steptest.NewWorld(t)
	w.Env.Store = func(string) (objectstore.Store, error) {
		return &listing{objects: []objectstore.Object{object("dumps/a", 9, hour), object("dumps/\x1b[2Jb", 0, hour)}}, nil
	}
	if _, err := (&verifystore.Action{Prefix: "dumps", MaxAge: steps.Dur(day)}).Run(t.Context(), w.Env); err != nil {
		t.Fatal(err)
	}
	if said := w.Said(); !strings.Contains(said, "EMPTY (none) dumps/\\x1b[2Jb: 1 object of no bytes left out") || strings.Contains(said, "\x1b") {
		t.Errorf("said %q", said)
	}
}
