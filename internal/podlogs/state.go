package podlogs

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"
)

// State is how a pod is.
type State struct {
	Name, UID  string
	Gone       bool // it was deleted, and is not there any more
	Containers []Container
}

// Container is how a container of a pod is.
type Container struct {
	Name string
	Init bool // it is an init container, perhaps one that stays
	status
}

// status is what decides what there is to read.
type status struct {
	id       string // of the instance that runs or ran last; empty: none has started
	previous string // of the one before it, if the kubelet still has it
	restarts int    // before that instance
	ended    bool   // that instance has
	gone     bool   // the pod is not there any more
}

// over tells whether the log does not grow any more.
func (s status) over() bool { return s.ended || s.gone }

// StateOf reads a pod as the API server has it.
func StateOf(object json.RawMessage, gone bool) State {
	o := gjson.ParseBytes(object)
	s := State{Name: o.Get("metadata.name").String(), UID: o.Get("metadata.uid").String(), Gone: gone}
	for _, kind := range []string{"initContainer", "container"} {
		statuses := map[string]status{}
		for _, one := range o.Get("status." + kind + "Statuses").Array() {
			statuses[one.Get("name").String()] = statusOf(one)
		}
		for _, one := range o.Get("spec." + kind + "s").Array() {
			name := one.Get("name").String()
			s.Containers = append(s.Containers, Container{name, strings.HasPrefix(kind, "init"), statuses[name]})
		}
	}
	return s
}

// statusOf reads one container's status. One that waits to be started again has its last instance in lastState.
func statusOf(one gjson.Result) status {
	s := status{restarts: int(one.Get("restartCount").Int())}
	last := one.Get("lastState.terminated.containerID").String()
	switch running, terminated := one.Get("state.running"), one.Get("state.terminated"); {
	case running.Exists():
		s.id, s.previous = one.Get("containerID").String(), last
	case terminated.Exists():
		s.id, s.previous, s.ended = terminated.Get("containerID").String(), last, true
	}
	if s.id == "" && last != "" {
		s.id, s.previous, s.ended = last, "", true
	}
	if s.previous == s.id {
		s.previous = ""
	}
	return s
}
