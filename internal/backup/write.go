package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unsafe"

	"github.com/klauspost/compress/gzip"
	"github.com/tidwall/gjson"

	"plan/internal/kube"
)

// The document's lines: head, one object each, tail with the index.
const (
	head     = `{"apiVersion":"v1","kind":"List","metadata":{},"items":[`
	tailOpen = `],"backup":`
	tailEnd  = `}`
)

// Writer writes a document, compressed. It holds one object at a time.
type Writer struct {
	gz    *gzip.Writer
	index Index
	kind  []byte // `"kind":"…",` of the list being written
	group []byte // `"apiVersion":"…",`
	err   error  // the first error of gz; nothing is written after it
	some  bool   // an item was written, so the next needs a comma
}

// NewWriter begins a document. The index comes with everything but its counts.
func NewWriter(w io.Writer, index Index) (*Writer, error) {
	gz, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("begin backup: %w", err)
	}
	index.FormatVersion = FormatVersion
	out := &Writer{gz: gz, index: index}
	out.print(head)
	return out, nil
}

// Reduce chooses what of an item is stored. nil leaves the item out.
type Reduce func(item json.RawMessage) json.RawMessage

// List lists a resource into the document and counts it. A nil Reduce stores every item. Progress, if not
// nil, is told the objects of this list so far and, if known, their number.
func (w *Writer) List(ctx context.Context, c *kube.Client, r kube.Resource, reduce Reduce, progress func(done, total int64)) error {
	count := ResourceCount{Resource: r.String()}
	var seen int64
	for page, err := range c.List(ctx, r, 0) {
		if err != nil {
			return err
		}
		if count.Kind == "" {
			count.APIVersion, count.Kind, count.ResourceVersion = page.APIVersion, page.Kind, page.ResourceVersion
			w.group, w.kind = field("apiVersion", page.APIVersion), field("kind", page.Kind)
		}
		for _, item := range page.Items {
			if reduce != nil {
				item = reduce(item)
			}
			if item == nil {
				continue
			}
			if err := w.add(item, count.Kind); err != nil {
				return fmt.Errorf("write %s into the backup: %w", r, err)
			}
			count.Count++
		}
		seen += int64(len(page.Items))
		if progress != nil {
			progress(seen, seen+page.Remaining)
		}
	}
	w.index.Resources = append(w.index.Resources, count)
	w.index.Objects += count.Count
	return nil
}

// Close ends the document and gives its index.
func (w *Writer) Close() (Index, error) {
	index, err := json.Marshal(w.index)
	if err != nil {
		return Index{}, fmt.Errorf("encode the backup's index: %w", err)
	}
	w.print("\n" + tailOpen)
	w.write(index)
	w.print(tailEnd + "\n")
	if w.err == nil {
		w.err = w.gz.Close()
	}
	if w.err != nil {
		return Index{}, fmt.Errorf("end backup: %w", w.err)
	}
	return w.index, nil
}

// add writes one object on a line of its own: the server's bytes, without managedFields, with apiVersion and kind in front if
// they are missing, as they are in lists of built-in resources.
func (w *Writer) add(item []byte, kind string) error {
	if bytes.IndexByte(item, '\n') >= 0 {
		// Between tokens only: inside a JSON string it would be an error.
		item = bytes.ReplaceAll(item, []byte("\n"), []byte(" "))
	}
	f := look(item)
	if !f.object {
		return fmt.Errorf("item %d is not an object with metadata", w.index.Objects)
	}
	if kind == "PersistentVolume" {
		w.phase(f.phase)
	}
	if w.some {
		w.print(",\n")
	} else {
		w.print("\n")
	}
	w.some = true
	w.write(item[:f.open])
	if !f.version {
		w.write(w.group)
	}
	if !f.kind {
		w.write(w.kind)
	}
	if f.end > 0 {
		w.write(item[f.open:f.cut])
		f.open = f.end
	}
	w.write(item[f.open:])
	return w.err
}

// field is a JSON member and the comma behind it.
func field(name, value string) []byte {
	v, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings always marshal
	}
	return append(append([]byte(`"`+name+`":`), v...), ',')
}

// phase counts a volume. What a volume's status may say is a handful of words; anything else shares one count.
func (w *Writer) phase(phase string) {
	if w.index.Phases == nil {
		w.index.Phases = map[string]int64{}
	}
	switch phase {
	case "Pending", "Available", "Bound", "Released", "Failed":
	default:
		phase = "Unknown"
	}
	w.index.Phases[phase]++
}

func (w *Writer) print(s string) { w.write(unsafe.Slice(unsafe.StringData(s), len(s))) }

func (w *Writer) write(p []byte) {
	if w.err == nil {
		_, w.err = w.gz.Write(p)
	}
}

// features is what add needs to know of an item.
type features struct {
	object   bool // it is a JSON object and has metadata
	version  bool // it has apiVersion
	kind     bool
	open     int // just behind the opening brace
	cut, end int // where managedFields lie, with one comma; 0 if there are none
	phase    string
}

// look finds features in one pass over the item's top level. Nothing of the item is decoded but the phase.
func look(item []byte) features {
	doc := gjson.Parse(unsafe.String(unsafe.SliceData(item), len(item))) // the string is used up before the item changes
	f := features{open: bytes.IndexByte(item, '{') + 1}
	doc.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "apiVersion":
			f.version = true
		case "kind":
			f.kind = true
		case "metadata":
			f.object = doc.IsObject() && value.IsObject()
			f.cut, f.end = member(item, value, "managedFields")
		case "status":
			f.phase = strings.Clone(value.Get("phase").Str)
		}
		return true
	})
	return f
}

// member finds where a member of an object lies, together with the comma that goes with it.
func member(item []byte, object gjson.Result, name string) (start, end int) {
	object.ForEach(func(key, value gjson.Result) bool {
		if key.Str != name {
			return true
		}
		start, end = key.Index, value.Index+len(value.Raw)
		return false
	})
	if end == 0 {
		return 0, 0
	}
	blank := func(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }
	next := end
	for next < len(item) && blank(item[next]) {
		next++
	}
	if next < len(item) && item[next] == ',' {
		return start, next + 1
	}
	before := start - 1
	for before > 0 && blank(item[before]) {
		before--
	}
	if item[before] == ',' { // else it is the only member
		start = before
	}
	return start, end
}
