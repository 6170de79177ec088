package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/engine"
)

// instancesOf gives what a matrix comes to.
func instancesOf(t *testing.T, matrix string) (keys []string) {
	t.Helper()
	p := load(t, "  steps:\n    - id: a\n      uses: work\n      matrix: "+matrix+"\n", engine.LoadOptions{})
	for _, i := range p.Steps[0].Matrix.Instances {
		keys = append(keys, engine.InstanceID("", i.Key))
	}
	return keys
}

func TestCombinations(t *testing.T) {
	cases := map[string]struct{ matrix, want, reason string }{
		"one axis":           {"{region: [eu, us]}", "[region=eu] [region=us]", "in the order of the file"},
		"two axes":           {"{b: [1, 2], a: [x, v]}", "[a=x,b=1] [a=v,b=1] [a=x,b=2] [a=v,b=2]", "the last axis changes fastest"},
		"exclude":            {"{a: [1, 2], b: [1, 2], exclude: [{a: 1, b: 2}]}", "[a=1,b=1] [a=2,b=1] [a=2,b=2]", ""},
		"exclude by a part":  {"{a: [1, 2], b: [1, 2], exclude: [{a: 1}]}", "[a=2,b=1] [a=2,b=2]", "an entry need not name all axes"},
		"exclude nothing":    {"{a: [1, 2], exclude: [{a: 3}]}", "[a=1] [a=2]", "as GitHub Actions"},
		"exclude as text":    {`{a: [1, 2], exclude: [{a: "2"}]}`, "[a=1]", "values are compared as they are written"},
		"include extends":    {"{os: [w, u], node: [14, 16], include: [{os: w, node: 16, npm: 6}]}", "[node=14,os=w] [node=16,npm=6,os=w] [node=14,os=u] [node=16,os=u]", "GitHub's example of expanding configurations"},
		"include adds":       {"{os: [m, w, u], v: [12, 14, 16], include: [{os: w, v: 17}]}", "[os=m,v=12] [os=m,v=14] [os=m,v=16] [os=w,v=12] [os=w,v=14] [os=w,v=16] [os=u,v=12] [os=u,v=14] [os=u,v=16] [os=w,v=17]", "GitHub's example of adding configurations"},
		"include only":       {"{include: [{site: prod, dc: x}, {site: stage}]}", "[dc=x,site=prod] [site=stage]", "GitHub's example without axes"},
		"excluded and again": {"{a: [1, 2], exclude: [{a: 2}], include: [{a: 2, b: x}]}", "[a=1] [a=2,b=x]", "include comes after exclude"},
		"all excluded":       {"{a: [1], exclude: [{a: 1}], include: [{z: 9}, {z: 8}]}", "[z=9] [z=8]", "then include makes its own"},
		"fruit": {"{fruit: [apple, pear], animal: [cat, dog], include: [{color: green}, {color: pink, animal: cat}, {fruit: apple, shape: circle}, {fruit: banana}, {fruit: banana, animal: cat}]}",
			"[animal=cat,color=pink,fruit=apple,shape=circle] [animal=dog,color=green,fruit=apple,shape=circle] [animal=cat,color=pink,fruit=pear] [animal=dog,color=green,fruit=pear] [fruit=banana] [animal=cat,fruit=banana]",
			"GitHub's own example of all rules of include"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, strings.Join(instancesOf(t, c.matrix), " ")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func TestValuesOfAMatrixKeepTheirTypeWhereAllHaveOne(t *testing.T) {
	for matrix, want := range map[string]string{
		"{a: [1, 2]}":                         `{"a":1} {"a":2}`,
		"{a: [true, false]}":                  `{"a":true} {"a":false}`,
		`{a: ["1", x]}`:                       `{"a":"1"} {"a":"x"}`,
		"{a: [1, x, true]}":                   `{"a":"1"} {"a":"x"} {"a":"true"}`,
		"{a: [1], include: [{a: x}]}":         `{"a":"1"} {"a":"x"}`,
		"{a: [1], b: [x], include: [{c: 1}]}": `{"a":1,"b":"x","c":1}`,
	} {
		p := load(t, "  steps:\n    - {id: s, uses: work, matrix: "+matrix+"}\n", engine.LoadOptions{})
		var keys []string
		for _, i := range p.Steps[0].Matrix.Instances {
			keys = append(keys, i.Key)
		}
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("%s: got %s, want %s", matrix, got, want)
		}
	}
}

func TestFieldsOfAnInstance(t *testing.T) {
	var checked []string
	p := load(t, `  params: {regions: {type: list, default: [eu, us]}}
  steps:
    - id: a
      uses: work
      matrix: {region: "${{ params.regions }}", size: [2]}
      maxParallel: 3
      failFast: true
      timeout: "${{ matrix.size }}m"
      deadline: "${{ matrix['size'] * 2 }}h"
      with: {prefix: "${{ matrix.region }}/", count: "${{ matrix.size }}", mode: "${{ matrix.region == 'eu' ? 'fast' : 'safe' }}"}
    - id: b
      uses: work
      matrix: {x: [1, 2]}
      with: {prefix: p}
`, engine.LoadOptions{Check: func(s *engine.Step, with map[string]any) []engine.Fault {
		checked = append(checked, fmt.Sprint(s.ID, " ", with["prefix"], " ", with["count"]))
		return nil
	}})
	if want := []string{"a eu/ 2", "a us/ 2", "b p <nil>"}; !slices.Equal(checked, want) {
		t.Errorf("checked %q, want %q: each instance where fields read the matrix, else once", checked, want)
	}
	a := p.Steps[0]
	if a.Matrix.MaxParallel != 3 || !a.Matrix.FailFast || p.Steps[1].Matrix.FailFast {
		t.Errorf("%+v", a.Matrix)
	}
	in, err := a.Inputs(&engine.Vars{Matrix: a.Matrix.Instances[1].Values})
	want := engine.Inputs{With: map[string]any{"prefix": "us/", "count": int64(2), "mode": "safe"}, Timeout: 2 * time.Minute, Deadline: 4 * time.Hour}
	if diff := cmp.Diff(want, in); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

const readers = `  steps:
    - id: a
      uses: work
      matrix: {region: [eu, us], include: [{region: us, hot: true}]}
      with: {prefix: "${{ matrix.region }}"}
    - id: b
      uses: work
      if: steps.a.outputs.size() == 2 && steps.a.outputs.all(o, o.outputs.size == 7)
      with:
        prefix: "${{ steps.a.outputs[1].outputs.key }}"
        labels: "${{ steps.a.outputs.filter(o, o.matrix.?hot.orValue(false)).map(o, o.outputs.key) }}"
        any: "${{ steps.a.outputs }}"
    - id: c
      uses: work
      needs: [a]
      with: {any: "${{ steps.a.outputs[2].outputs.key }}"}
    - id: d
      uses: work
      needs: [a]
      with: {any: "${{ steps.a.outputs[0].matrix.hot }}"}
    - {id: e, uses: work, needs: [], matrix: {num: [1]}}
    - {id: f, uses: work, if: always(), with: {any: "${{ steps.e.outputs[0].outputs.key }}"}}
    - {id: g, uses: work, needs: [e], if: always(), with: {any: "${{ steps.e.?outputs.orValue([]).size() }}"}}
`

// The whole way: a plan is loaded and walked, and what follows a matrix reads its outputs.
func TestAPlanReadsTheOutputsOfItsMatrix(t *testing.T) {
	p := load(t, readers, engine.LoadOptions{})
	var mu sync.Mutex // instances and steps without needs run side by side
	withs := map[string]any{}
	res := engine.Run(t.Context(), p, engine.Options{Do: func(_ context.Context, c *engine.Call) (engine.Result, error) {
		mu.Lock()
		withs[c.Step.ID] = c.With
		mu.Unlock()
		if c.Step.ID == "e" {
			return engine.Result{}, fmt.Errorf("boom")
		}
		return engine.Result{Outputs: map[string]any{"key": fmt.Sprint("key of ", c.With["prefix"]), "size": int64(7)}}, nil
	}})
	entry := func(matrix map[string]any) any {
		return map[string]any{"matrix": matrix, "outputs": map[string]any{"key": "key of " + matrix["region"].(string), "size": int64(7)}}
	}
	want := map[string]any{"prefix": "key of us", "labels": []any{"key of us"},
		"any": []any{entry(map[string]any{"region": "eu"}), entry(map[string]any{"region": "us", "hot": true})}}
	if diff := cmp.Diff(want, withs["b"]); diff != "" {
		t.Errorf("b (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"any": int64(0)}, withs["g"]); diff != "" {
		t.Errorf("g (-want +got):\n%s", diff)
	}
	reasons := map[string]string{}
	for _, s := range res.Steps {
		if s.Outcome == engine.Failed && s.Instance == "" {
			reasons[s.ID] = s.Reason
		}
	}
	if diff := cmp.Diff(map[string]string{
		"c": `spec.steps[2].with.any: evaluate "steps.a.outputs[2].outputs.key": index out of bounds: 2`,
		"d": `spec.steps[3].with.any: evaluate "steps.a.outputs[0].matrix.hot": no such key: hot`,
		"e": "1 failed of 1 instance",
		"f": `spec.steps[5].with.any: evaluate "steps.e.outputs[0].outputs.key": step e is failed and has no outputs; guard it, as in steps.e.?outputs.orValue([])`,
	}, reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

// A parameter without a value leaves the matrix open; everything else is checked all the same.
func TestAMatrixThatWaitsForAParameterIsCheckedAsFarAsItIsKnown(t *testing.T) {
	const spec = `  params: {regions: {type: list, required: true}}
  steps:
    - {id: a, uses: work, matrix: {region: "${{ params.regions }}"}, with: {prefix: "${{ matrix.region }}"%s}}
    - {id: b, uses: work, with: {any: "${{ steps.a.outputs }}"}}
`
	p := load(t, fmt.Sprintf(spec, ""), engine.LoadOptions{Offline: true})
	if m := p.Steps[0].Matrix; m == nil || len(m.Instances) != 0 {
		t.Errorf("%+v", m)
	}
	_, err := language(t).Load(engine.Source{File: "p", Data: []byte(header + fmt.Sprintf(spec, ", cuont: 1"))}, engine.LoadOptions{Offline: true})
	if err == nil || !strings.Contains(err.Error(), `unknown field "cuont"`) {
		t.Errorf("%v", err)
	}
}

// BenchmarkLoadMatrix loads one step of 100 and of 10,000 instances whose fields read the matrix.
func BenchmarkLoadMatrix(b *testing.B) {
	lang := language(b)
	for _, n := range []int{10, 100} {
		b.Run(fmt.Sprint(n*n), func(b *testing.B) {
			var values []string
			for i := range n {
				values = append(values, fmt.Sprint(i+1))
			}
			list := strings.Join(values, ", ")
			data := []byte(header + "  steps:\n    - {id: a, uses: work, matrix: {x: [" + list + "], w: [" + list + "]}, with: {count: \"${{ matrix.x }}\", prefix: \"${{ matrix.w }}/\"}}\n")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := lang.Load(engine.Source{File: "p", Data: data}, engine.LoadOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzMatrix: whatever stands under matrix and reads it, loading and evaluating neither panics nor builds more than a plan may have.
func FuzzMatrix(f *testing.F) {
	for _, s := range [][2]string{
		{"{a: [1, 2], b: [x], include: [{a: 1, c: true}], exclude: [{b: x, a: 2}]}", "matrix.a"}, {"{a: '${{ params.list }}'}", "matrix['a']"},
		{"{include: [{a: 1}]}", "matrix.?b.orValue('')"}, {"[]", "matrix"}, {"{a: [[]]}", "steps.m.outputs[0].outputs.key"}, {"{a: {b: c}, include: {}}", "matrix.a.b"},
		{"{a: [0x10, 1e3, null]}", "steps.m.outputs.map(matrix, matrix.matrix.a)"}, {"'${{ params.list }}'", "[matrix.a].exists(a, a == matrix.a)"},
	} {
		f.Add(s[0], s[1])
	}
	lang := language(f)
	f.Fuzz(func(t *testing.T, matrix, expr string) {
		if strings.ContainsAny(matrix, "\n\r") || len(matrix)+len(expr) > 5000 {
			t.Skip("not a case: more than one line, or longer than any matrix of interest")
		}
		text := fmt.Sprintf("%s  params: {list: {type: list, default: [1, a]}}\n  steps:\n    - {id: m, uses: work, with: {any: %q}, matrix: %s}\n    - {id: b, uses: work, with: {any: %[2]q}}\n",
			header, "${{"+expr+"}}", matrix)
		p, err := lang.Load(engine.Source{File: "p", Data: []byte(text)}, engine.LoadOptions{})
		if _, ok := engine.AsProblems(err); err != nil && !ok {
			t.Fatal(err)
		} else if err != nil || p.Steps[0].Matrix == nil {
			return
		}
		if n := len(p.Steps[0].Matrix.Instances); n == 0 || n > 10000 {
			t.Fatalf("%d instances", n)
		}
		for _, i := range p.Steps[0].Matrix.Instances {
			_, _ = p.Steps[0].Inputs(&engine.Vars{Matrix: i.Values})
		}
	})
}
