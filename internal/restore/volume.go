package restore

import (
	"encoding/json"
	"fmt"

	"github.com/tidwall/gjson"

	"plan/internal/objects"
)

// The annotations of a PersistentVolume whose restore is not finished: the backup's key, and the reclaim policy that it gets in the end.
// While it has them its policy is Retain, so that nothing that goes wrong with the binding can delete data.
const (
	restoreAnnotation = "plan/restore"
	policyAnnotation  = "plan/reclaim-policy"
	retain            = "Retain"
)

// tied is a volume with the UID of its claim. A claim that was bound before and has lost its volume takes no other (it stays Lost).
func tied(volume json.RawMessage, uid string) json.RawMessage {
	if uid == "" {
		return volume
	}
	return edit(volume, func(_, spec map[string]any) {
		if ref, ok := spec["claimRef"].(map[string]any); ok {
			ref["uid"] = uid
		}
	})
}

// unfinished is a volume as it is created: it keeps its data until its claim is bound.
func unfinished(want json.RawMessage, key string) json.RawMessage {
	policy := reclaimPolicy(want)
	if policy == retain || policy == "" {
		return want
	}
	return edit(want, func(meta, spec map[string]any) {
		annotations, ok := meta["annotations"].(map[string]any)
		if !ok {
			annotations = map[string]any{}
			meta["annotations"] = annotations
		}
		annotations[restoreAnnotation], annotations[policyAnnotation] = key, policy
		spec["persistentVolumeReclaimPolicy"] = retain
	})
}

// finished is a volume as it is in the end, whether or not its restore is finished.
func finished(volume json.RawMessage) json.RawMessage {
	policy := annotation(volume, policyAnnotation)
	if policy != "Delete" && policy != "Recycle" { // else it is not ours
		return volume
	}
	return edit(volume, func(meta, spec map[string]any) {
		annotations, _ := meta["annotations"].(map[string]any)
		delete(annotations, restoreAnnotation)
		delete(annotations, policyAnnotation)
		if len(annotations) == 0 {
			delete(meta, "annotations")
		}
		spec["persistentVolumeReclaimPolicy"] = policy
	})
}

// putBack is the merge patch that finishes a volume, if it still is what was read.
func putBack(live json.RawMessage) []byte {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{
			"resourceVersion": gjson.GetBytes(live, "metadata.resourceVersion").String(),
			"annotations":     map[string]any{restoreAnnotation: nil, policyAnnotation: nil},
		},
		"spec": map[string]any{"persistentVolumeReclaimPolicy": annotation(live, policyAnnotation)},
	})
	if err != nil {
		panic(err) // strings always marshal
	}
	return patch
}

// edit changes a copy. What is not of the API's form is given back as it is; the server will say so.
func edit(object json.RawMessage, change func(meta, spec map[string]any)) json.RawMessage {
	decoded, err := objects.Decode(object)
	if err != nil {
		return object
	}
	meta, hasMeta := decoded["metadata"].(map[string]any)
	spec, hasSpec := decoded["spec"].(map[string]any)
	if !hasMeta || !hasSpec {
		return object
	}
	change(meta, spec)
	return objects.Encode(decoded)
}

func annotation(object json.RawMessage, name string) string {
	return entry(object, "metadata.annotations", name)
}

func label(object json.RawMessage, name string) string { return entry(object, "metadata.labels", name) }

// entry is one entry of a map; not by gjson's path, in which names with dots would have to be escaped.
func entry(object json.RawMessage, path, name string) string {
	var value string
	gjson.GetBytes(object, path).ForEach(func(key, v gjson.Result) bool {
		if key.String() == name {
			value = v.String()
		}
		return true
	})
	return value
}

func phaseOf(object json.RawMessage) string { return gjson.GetBytes(object, "status.phase").String() }

// tiedUID is the UID of the claim that a volume belongs to; empty while it is only kept for one.
func tiedUID(volume json.RawMessage) string {
	return gjson.GetBytes(volume, "spec.claimRef.uid").String()
}

// dying says of an object that is being deleted what to do; nil if it is not.
func dying(id objects.ID, live json.RawMessage) error {
	if gjson.GetBytes(live, "metadata.deletionTimestamp").String() == "" {
		return nil
	}
	what := ""
	switch id.Kind {
	case namespaceKind:
		what = ", with everything in it"
	case volumeKind, claimKind:
		what = "; if its data matters, set the volume's reclaim policy to Retain now"
	}
	return fmt.Errorf("%s is being deleted%s: wait until it is gone, or remove what deletes it, then restore again", id, what)
}

func reclaimPolicy(volume json.RawMessage) string {
	return gjson.GetBytes(volume, "spec.persistentVolumeReclaimPolicy").String()
}

// claimOf is namespace/name of a volume's claimRef; empty if it has none.
func claimOf(volume json.RawMessage) string {
	ref := gjson.GetBytes(volume, "spec.claimRef")
	if !ref.IsObject() {
		return ""
	}
	return ref.Get("namespace").String() + "/" + ref.Get("name").String()
}

// handle identifies the storage behind a CSI volume: driver and volumeHandle; empty for others.
func handle(volume json.RawMessage) string {
	csi := gjson.GetBytes(volume, "spec.csi")
	if h := csi.Get("volumeHandle").String(); h != "" {
		return csi.Get("driver").String() + " " + h
	}
	return ""
}

// withHandle is a volume on another handle.
func withHandle(volume json.RawMessage, to string) json.RawMessage {
	return edit(volume, func(_, spec map[string]any) {
		if csi, ok := spec["csi"].(map[string]any); ok {
			csi["volumeHandle"] = to
		}
	})
}

// class is the class of a volume or claim: the old annotation counts before the field.
func class(object json.RawMessage) string {
	if old := annotation(object, "volume.beta.kubernetes.io/storage-class"); old != "" {
		return old
	}
	return gjson.GetBytes(object, "spec.storageClassName").String()
}
