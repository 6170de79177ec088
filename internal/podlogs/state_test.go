package podlogs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestStateOf(t *testing.T) {
	for name, tc := range map[string]struct {
		json string
		want status
	}{
		"waits":                 {`"state":{"waiting":{"reason":"ContainerCreating"}}`, status{}},
		"runs":                  {`"state":{"running":{}},"containerID":"c1"`, status{id: "c1"}},
		"ended":                 {`"state":{"terminated":{"containerID":"c1"}},"containerID":"c1"`, status{id: "c1", ended: true}},
		"never ran":             {`"state":{"terminated":{"reason":"ContainerStatusUnknown"}}`, status{ended: true}},
		"runs again":            {`"restartCount":1,"state":{"running":{}},"containerID":"c2","lastState":{"terminated":{"containerID":"c1"}}`, status{id: "c2", previous: "c1", restarts: 1}},
		"waits to run again":    {`"restartCount":1,"state":{"waiting":{}},"containerID":"c2","lastState":{"terminated":{"containerID":"c2"}}`, status{id: "c2", restarts: 1, ended: true}},
		"ended without a trace": {`"restartCount":1,"state":{"terminated":{}},"lastState":{"terminated":{"containerID":"c1"}}`, status{id: "c1", restarts: 1, ended: true}},
		"broken":                {`"state":[1],"containerID":{}`, status{}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := `{"metadata":{"name":"p","uid":"u"},"spec":{"initContainers":[{"name":"i"}],"containers":[{"name":"a"}]},"status":{"containerStatuses":[{"name":"a",` + tc.json + `}]}}`
			want := State{Name: "p", UID: "u", Gone: true, Containers: []Container{{Name: "i", Init: true}, {Name: "a", status: tc.want}}}
			if diff := cmp.Diff(want, StateOf([]byte(pod), true), cmp.AllowUnexported(Container{}, status{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	for _, text := range []string{"", "null", "[]", "{", "\xff"} {
		if got := StateOf([]byte(text), false); got.Name != "" || len(got.Containers) > 0 {
			t.Errorf("StateOf(%q) = %+v", text, got)
		}
	}
}

func TestNamesInPrefixesAreEscaped(t *testing.T) {
	if got := prefix("nightly", State{Name: "nightly-\x1b[2J"}, Container{Name: "\r", Init: true}); got != `[\x1b[2J \r]` {
		t.Errorf("prefix %s", got)
	}
}
