// Package objects tells when two Kubernetes objects are the same for a backup and a restore: their identity, and a normal form without
// what the server or a controller owns.
package objects

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tidwall/gjson"
)

// ID names an object.
type ID struct{ APIVersion, Kind, Namespace, Name string }

// IDOf reads the identity of an object. What is missing stays empty.
func IDOf(raw []byte) ID {
	found := gjson.GetManyBytes(raw, "apiVersion", "kind", "metadata.namespace", "metadata.name")
	return ID{found[0].String(), found[1].String(), found[2].String(), found[3].String()}
}

// String is the object for people: persistentvolume data-0, persistentvolumeclaim ns/data.
func (id ID) String() string {
	name := id.Name
	if id.Namespace != "" {
		name = id.Namespace + "/" + name
	}
	return strings.ToLower(id.Kind) + " " + name
}

// Group is the API group; empty is the core group.
func (id ID) Group() string {
	group, _, named := strings.Cut(id.APIVersion, "/")
	if !named {
		return ""
	}
	return group
}

// Decode reads one JSON object. Numbers stay as they are written (json.Number).
func Decode(raw []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, fmt.Errorf("decode object: %w", err)
	}
	if object == nil {
		return nil, errors.New("decode object: it is null")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("decode object: more follows it")
	}
	return object, nil
}

// Encode writes an object as canonical JSON: sorted keys, no blanks, numbers as they were written. What Decode gave can be encoded.
func Encode(object map[string]any) json.RawMessage {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object); err != nil {
		panic(err) // what was decoded from JSON can be encoded
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// Typed gives an item of a list the apiVersion and kind that lists of built-in resources leave out.
func Typed(raw json.RawMessage, apiVersion, kind string) json.RawMessage {
	if gjson.GetBytes(raw, "kind").Exists() || !bytes.HasPrefix(raw, []byte("{")) {
		return raw
	}
	head := fmt.Appendf(nil, `{"apiVersion":%q,"kind":%q`, apiVersion, kind)
	if rest := raw[1:]; len(bytes.TrimSpace(rest)) > 1 {
		return append(append(head, ','), rest...)
	}
	return append(head, '}')
}
