package backuppvs

import (
	"encoding/json"

	"github.com/tidwall/gjson"

	"plan/internal/backup"
)

// noting stores claims whole and remembers their namespaces.
func noting(claimed map[string]bool) backup.Reduce {
	return func(claim json.RawMessage) json.RawMessage {
		claimed[gjson.GetBytes(claim, "metadata.namespace").String()] = true
		return claim
	}
}

// only stores name, labels and annotations of the namespaces in claimed, as the server wrote them.
func only(claimed map[string]bool) backup.Reduce {
	return func(namespace json.RawMessage) json.RawMessage {
		meta := gjson.GetBytes(namespace, "metadata")
		name := meta.Get("name")
		if !claimed[name.String()] {
			return nil
		}
		out := []byte(`{"metadata":{"name":` + name.Raw)
		for _, member := range []string{"labels", "annotations"} {
			if value := meta.Get(member); value.IsObject() {
				out = append(out, `,"`+member+`":`+value.Raw...)
			}
		}
		return append(out, "}}"...)
	}
}
