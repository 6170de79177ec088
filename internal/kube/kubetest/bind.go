package kubetest

import (
	"encoding/json"
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"
)

// The lists that BindVolumes works on.
const (
	volumesPath = "/api/v1/persistentvolumes"
	claimsPath  = "/api/v1/persistentvolumeclaims"
)

// BindVolumes makes the server do from now on what the controller of volumes does, before each read: a volume and a claim that name each
// other become Bound, and so do a volume that is kept for a claim and that claim, if it names no volume and is not larger; a volume with
// the UID of a claim that is gone becomes Released, a claim that was bound and whose volume is gone becomes Lost, and stays it
// (Kubernetes 1.35, pkg/controller/volume/persistentvolume). Claims that no volume is kept for are left alone.
func (s *Server) BindVolumes() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.binds = true
}

type fields = map[string]any

func (s *Server) bind() {
	volumes, claims := s.lists[volumesPath], s.lists[claimsPath]
	byName := map[string]int{}
	for i, item := range claims.items {
		m := metadata(item)
		byName[m.Namespace+"/"+m.Name] = i
	}
	wanted := map[string]bool{}
	for i, item := range volumes.items {
		v := decode(item)
		wanted[metadata(item).Name] = true
		ref, ok := v["spec"].(fields)["claimRef"].(fields)
		if !ok {
			s.phase(volumes, i, v, "Available")
			continue
		}
		at, there := byName[fmt.Sprint(ref["namespace"], "/", ref["name"])]
		var c fields
		if there {
			c = decode(claims.items[at])
		}
		uid, _ := ref["uid"].(string)
		switch {
		case uid != "" && (!there || c["metadata"].(fields)["uid"] != uid):
			s.phase(volumes, i, v, "Released")
		case !there || !takes(c, v), uid == "" && phase(c) == "Lost":
			s.phase(volumes, i, v, "Available")
		default:
			ref["uid"], ref["apiVersion"], ref["kind"] = c["metadata"].(fields)["uid"], "v1", "PersistentVolumeClaim"
			s.phase(volumes, i, v, "Bound")
			c["spec"].(fields)["volumeName"] = metadata(item).Name
			annotate(c, "pv.kubernetes.io/bind-completed")
			s.phase(claims, at, c, "Bound")
		}
	}
	for i, item := range claims.items {
		c := decode(item)
		name, _ := c["spec"].(fields)["volumeName"].(string)
		annotations, _ := c["metadata"].(fields)["annotations"].(fields)
		if name != "" && !wanted[name] && annotations["pv.kubernetes.io/bind-completed"] != nil {
			s.phase(claims, i, c, "Lost")
		}
	}
}

// takes tells whether a claim is bound to a volume that is kept for it.
func takes(claim, volume fields) bool {
	if name, _ := claim["spec"].(fields)["volumeName"].(string); name != "" {
		return name == volume["metadata"].(fields)["name"]
	}
	asks, errAsks := resource.ParseQuantity(at(claim, "spec", "resources", "requests", "storage"))
	has, errHas := resource.ParseQuantity(at(volume, "spec", "capacity", "storage"))
	return errAsks == nil && errHas == nil && asks.Cmp(has) <= 0
}

// at is the text at a path of an object; empty if there is none.
func at(object fields, path ...string) string {
	for _, part := range path[:len(path)-1] {
		object, _ = object[part].(fields)
	}
	text, _ := object[path[len(path)-1]].(string)
	return text
}

// phase stores an object with a phase, if that changes it.
func (s *Server) phase(l *list, at int, object fields, to string) {
	if phase(object) == to {
		return
	}
	status, ok := object["status"].(fields)
	if !ok {
		status = fields{}
		object["status"] = status
	}
	status["phase"] = to
	s.version++
	object["metadata"].(fields)["resourceVersion"] = strconv.Itoa(s.version)
	text, err := json.Marshal(object)
	if err != nil {
		panic(err) // it was JSON
	}
	items := append([]string(nil), l.items...) // a list that is being paged through stays as it was
	items[at] = string(text)
	l.items = items
}

func phase(object fields) string {
	status, _ := object["status"].(fields)
	text, _ := status["phase"].(string)
	return text
}

func annotate(object fields, name string) {
	meta := object["metadata"].(fields)
	annotations, ok := meta["annotations"].(fields)
	if !ok {
		annotations = fields{}
		meta["annotations"] = annotations
	}
	annotations[name] = "yes"
}

// decode makes an object with metadata and spec of a stored item.
func decode(item string) fields {
	var object fields
	if err := json.Unmarshal([]byte(item), &object); err != nil {
		panic(fmt.Sprintf("a test's object is not JSON: %v: %s", err, item))
	}
	for _, part := range []string{"metadata", "spec"} {
		if _, ok := object[part].(fields); !ok {
			object[part] = fields{}
		}
	}
	return object
}
