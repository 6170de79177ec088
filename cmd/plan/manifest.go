package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
)

// encoded is an object as JSON, as a run sends it.
type encoded struct {
	runtime.Object
	data []byte
}

// encode encodes objects. Texts stay readable: what HTML would read otherwise is not escaped.
func encode(objects []runtime.Object) ([]encoded, error) {
	list := make([]encoded, 0, len(objects))
	for _, object := range objects {
		data, err := plainJSON(object)
		if err != nil {
			return nil, err
		}
		list = append(list, encoded{object, data})
	}
	return list, nil
}

func plainJSON(object any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object); err != nil {
		return nil, fmt.Errorf("encode an object: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// manifest is an object as YAML: the same as its JSON, keys sorted.
func manifest(object any) ([]byte, error) {
	data, err := plainJSON(object)
	return yamlOf(data), err
}

// printManifests prints objects as documents of YAML, as kubectl takes them.
func (a *app) printManifests(objects []runtime.Object) error {
	list, err := encode(objects)
	if err != nil {
		return err
	}
	return a.printYAML(list)
}

func (a *app) printYAML(list []encoded) error {
	out := bufio.NewWriterSize(a.out, 64<<10) // what hides secrets is quicker with much at once
	for _, one := range list {
		out.WriteString("---\n")
		out.Write(yamlOf(one.data))
	}
	return out.Flush()
}

// printList prints objects as a List, as kubectl takes it.
func (a *app) printList(objects []runtime.Object) error {
	list, err := encode(objects)
	if err != nil {
		return err
	}
	return a.printJSON(list)
}

func (a *app) printJSON(list []encoded) error {
	items := make([]json.RawMessage, 0, len(list))
	for _, one := range list {
		items = append(items, one.data)
	}
	encoder := json.NewEncoder(a.maskedJSON())
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []json.RawMessage `json:"items"`
	}{"v1", "List", items})
}
