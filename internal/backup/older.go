package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"plan/internal/objectstore"
)

// maxOlder bounds a summary of the older tool in memory: seven fields per volume are a few hundred bytes.
const maxOlder = 64 << 20

// Summary is what the older tool stored: for each volume or node some fields, not the object.
type Summary struct {
	Document json.RawMessage            // as it is stored
	Entries  map[string]json.RawMessage // by name
}

// ReadOlder reads a summary of the older tool. Its form is not promised anywhere, so it is taken loosely: entries are the objects with a
// name in the first list of objects that the document has, at its top or directly below.
func ReadOlder(ctx context.Context, store objectstore.Store, key string) (Summary, error) {
	body, info, err := store.Get(ctx, key, 0, -1)
	if err != nil {
		return Summary{}, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, maxOlder+1))
	switch {
	case err != nil:
		return Summary{}, fmt.Errorf("read summary %s: %w", key, err)
	case len(data) > maxOlder:
		return Summary{}, fmt.Errorf("read summary %s: its %d bytes are more than a summary has", key, info.Size)
	case !json.Valid(data):
		return Summary{}, fmt.Errorf("read summary %s: %w: it is not JSON", key, ErrDamaged)
	}
	s := Summary{Document: data}
	if s.Entries, err = olderEntries(data); err != nil {
		return Summary{}, fmt.Errorf("read summary %s: %w", key, err)
	}
	return s, nil
}

func olderEntries(document json.RawMessage) (map[string]json.RawMessage, error) {
	if entries := named(document); entries != nil {
		return entries, nil
	}
	var top map[string]json.RawMessage
	if json.Unmarshal(document, &top) == nil {
		for _, field := range slices.Sorted(maps.Keys(top)) {
			if entries := named(top[field]); entries != nil {
				return entries, nil
			}
		}
	}
	return nil, errors.New("it has no list of volumes or nodes with names")
}

// named gives the elements of a list by their names; nil for anything else.
func named(list json.RawMessage) map[string]json.RawMessage {
	var elements []json.RawMessage
	if json.Unmarshal(list, &elements) != nil {
		return nil
	}
	entries := map[string]json.RawMessage{}
	for _, element := range elements {
		var e struct{ Name string }
		if json.Unmarshal(element, &e) != nil || e.Name == "" {
			return nil
		}
		entries[e.Name] = element
	}
	return entries
}
