package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/tidwall/gjson"

	"plan/internal/printable"
	"plan/steps"
)

// writeRendering writes a file for each object. A file is there whole or not at all, and one of the same name is replaced.
func (a *app) writeRendering(list []rendered, h showing) error {
	if err := os.MkdirAll(h.dir, 0o755); err != nil {
		return usage(fmt.Errorf("--output-dir: %w", err))
	}
	written := map[string]bool{}
	for _, one := range list {
		for i, object := range one.objects {
			name, text := one.fileName(i, h.output), yamlOf(object.data)
			if h.output == "json" {
				var b bytes.Buffer
				if err := json.Indent(&b, append(object.data, '\n'), "", "  "); err != nil {
					return fmt.Errorf("write %s: %w", name, err)
				}
				text = b.Bytes()
			}
			if err := replaceFile(filepath.Join(h.dir, name), text); err != nil {
				return err
			}
			written[name] = true
		}
	}
	fmt.Fprintf(a.err, "plan: %s in %s\n", english.Plural(len(written), "file", ""), printable.String(h.dir))
	if !h.all {
		return nil
	}
	return a.tellOthers(h.dir, written)
}

// fileName is that of an object: the step, an instance's hash as in the label, the object's place in the step, kind and name. No other object
// of the plan has it, and within a step files are in the order in which they are to be applied.
func (r *rendered) fileName(i int, format string) string {
	step := r.step.ID
	if r.instance != "" {
		step += "-" + steps.Scope{Instance: r.instance}.Hash(8)
	}
	object := gjson.ParseBytes(r.objects[i].data)
	return fmt.Sprintf("%s_%02d-%s-%s.%s", step, i, strings.ToLower(object.Get("kind").String()), object.Get("metadata.name"), format)
}

// replaceFile writes a file beside the place and puts it there.
func replaceFile(path string, text []byte) error {
	next := filepath.Join(filepath.Dir(path), "."+rand.Text())
	f, err := os.OpenFile(next, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(next)))
	}
	return nil
}

// tellOthers names the files beside those of a whole plan that `kubectl apply -f DIR` would take.
func (a *app) tellOthers(dir string, written map[string]bool) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look into %s: %w", dir, err)
	}
	var others []string
	for _, f := range list {
		if name := f.Name(); !written[name] && !f.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)) {
			others = append(others, name)
		}
	}
	if len(others) > 0 {
		be := map[bool]string{true: "is", false: "are"}[len(others) == 1]
		fmt.Fprintf(a.err, "plan: beside them %s %s, which kubectl would take, too\n", be, printable.String(strings.Join(others, ", ")))
	}
	return nil
}
