package longhorn

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"
)

// part is a piece of an object that is being read. A library that fills structs takes several times as long: most of an object, such as
// managedFields, is of no interest and has to be skipped fast.
type part struct {
	gjson.Result
	fault *error // the first thing that had another form than the resource's
}

func (p part) wrong(want string) {
	if *p.fault == nil {
		*p.fault = fmt.Errorf("want %s, got %s", want, p.Type)
	}
}

// none is true for null, which Longhorn writes where it has nothing.
func (p part) none() bool { return p.Type == gjson.Null }

// each visits the fields of an object.
func (p part) each(visit func(key string, value part)) {
	switch {
	case p.none():
	case !p.IsObject():
		p.wrong("an object")
	default:
		p.ForEach(func(key, value gjson.Result) bool {
			visit(key.String(), part{value, p.fault})
			return true
		})
	}
}

// text is a string; of null the empty one. It does not keep the object in memory.
func (p part) text() string {
	if !p.none() && p.Type != gjson.String {
		p.wrong("a string")
		return ""
	}
	return strings.Clone(p.Str)
}

// yes is a boolean; of null false.
func (p part) yes() bool {
	if !p.none() && !p.IsBool() {
		p.wrong("true or false")
	}
	return p.Bool()
}

// texts are a list of strings.
func (p part) texts() (all []string) {
	p.list(func(value part) { all = append(all, value.text()) })
	return all
}

// list visits the entries of a list.
func (p part) list(visit func(part)) {
	switch {
	case p.none():
	case !p.IsArray():
		p.wrong("a list")
	default:
		p.ForEach(func(_, value gjson.Result) bool {
			visit(part{value, p.fault})
			return true
		})
	}
}

// words are a mapping of strings, of those keys that are wanted.
func (p part) words(wanted func(key string) bool) (all map[string]string) {
	p.each(func(key string, value part) {
		if wanted(key) {
			if all == nil {
				all = map[string]string{}
			}
			all[strings.Clone(key)] = value.text()
		}
	})
	return all
}

// Meta is what every object has.
type Meta struct {
	Name        string
	Namespace   string
	Labels      map[string]string // those of recurring jobs and backups
	Annotations map[string]string // Skip and the provisioner's
	Created     string
	Deleted     string // not empty: it is being deleted
}

// Terminating tells whether the object is being deleted.
func (m Meta) Terminating() bool { return m.Deleted != "" }

func (m *Meta) read(p part) {
	p.each(func(key string, value part) {
		switch key {
		case "name":
			m.Name = value.text()
		case "namespace":
			m.Namespace = value.text()
		case "creationTimestamp":
			m.Created = value.text()
		case "deletionTimestamp":
			m.Deleted = value.text()
		case "labels":
			m.Labels = value.words(func(key string) bool {
				return strings.HasPrefix(key, jobLabel) || strings.HasPrefix(key, groupLabel) || key == volumeLabel || key == targetLabel
			})
		case "annotations":
			m.Annotations = value.words(func(key string) bool { return key == Skip || key == provisioner })
		}
	})
}

// decode reads one object, which must be well-formed JSON. One that has another form than the resource's, or no name, is an error:
// nothing of it can be relied on.
func decode(raw []byte, meta *Meta, visit func(key string, value part)) error {
	var fault error
	// The string is the caller's bytes; nothing of it is kept.
	object := part{gjson.Parse(unsafe.String(unsafe.SliceData(raw), len(raw))), &fault}
	if !object.IsObject() {
		return errors.New("read object: it is none")
	}
	object.each(func(key string, value part) {
		if key == "metadata" {
			meta.read(value)
			return
		}
		visit(key, value)
	})
	switch {
	case fault != nil:
		return fmt.Errorf("read object %q: %w", meta.Name, fault)
	case meta.Name == "":
		return errors.New("read object: it has no name")
	}
	return nil
}
