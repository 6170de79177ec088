package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// secretValue is a key of a Secret, and where its value is.
type secretValue struct {
	key    string
	file   string // of --from-file and --from-dir
	stdin  bool
	prompt bool
}

// given are the keys that the flags name. Files are looked at, so that what is no file is an error and never a value. Paths are not
// repeated in errors: what was meant as a value may stand there.
func (c *SecretSetCmd) given() ([]secretValue, error) {
	var list []secretValue
	var problems []error
	for i, text := range c.FromFile {
		key, path, named := strings.Cut(text, "=")
		what := "--from-file " + key
		if !named {
			path, key, what = text, filepath.Base(text), fmt.Sprintf("--from-file (number %d)", i+1)
		}
		list, problems = append(list, secretValue{key: key, file: path}), append(problems, checkFile(what, path))
	}
	if c.FromDir != "" {
		files, err := folder(c.FromDir)
		list, problems = append(list, files...), append(problems, err)
	}
	if c.FromStdin != "" {
		list = append(list, secretValue{key: c.FromStdin, stdin: true})
	}
	for _, key := range c.Prompt {
		list = append(list, secretValue{key: key, prompt: true})
	}
	if len(list) == 0 && errors.Join(problems...) == nil {
		return nil, errors.New("where are the values? --from-file KEY=PATH, --from-dir DIR, --from-stdin KEY or --prompt KEY; a value is never an argument")
	}
	return list, errors.Join(append(problems, checkKeys(list), checkSize(list))...)
}

// checkFile wants a file that can be read.
func checkFile(what, path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: there is no such file; a value itself is never an argument", what)
	case err != nil:
		return fmt.Errorf("%s: the file cannot be looked at: %w", what, errors.Unwrap(err))
	case info.IsDir():
		return fmt.Errorf("%s: it is a folder: --from-dir takes its files", what)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: it is no regular file", what)
	}
	return nil
}

// folder are the files of a folder. Other folders in it are an error; so would be a Secret that lacks something unseen.
func folder(dir string) (list []secretValue, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("--from-dir: %w", err)
	}
	var problems []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "..") { // what the kubelet keeps beside the files of a mounted Secret
			continue
		}
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			problems = append(problems, fmt.Errorf("--from-dir: %s is a folder, and a key is a file; name the files with --from-file", e.Name()))
			continue
		}
		problems = append(problems, checkFile("--from-dir: "+e.Name(), path))
		list = append(list, secretValue{key: e.Name(), file: path})
	}
	if len(list) == 0 && len(problems) == 0 {
		return nil, errors.New("--from-dir: there is no file in the folder")
	}
	return list, errors.Join(problems...)
}

func checkKeys(list []secretValue) error {
	var problems []error
	seen := map[string]bool{}
	for _, v := range list {
		if bad := validation.IsConfigMapKey(v.key); len(bad) > 0 {
			problems = append(problems, fmt.Errorf("%q cannot be a key of a Secret: %s", v.key, bad[0]))
		}
		if seen[v.key] {
			problems = append(problems, fmt.Errorf("the key %s is there twice", v.key))
		}
		seen[v.key] = true
	}
	return errors.Join(problems...)
}

var errTooLarge = fmt.Errorf("a Secret may hold %d bytes in all its keys (1 MiB), and this is more", corev1.MaxSecretSize)

// checkSize adds up the files, before anything is asked or sent.
func checkSize(list []secretValue) error {
	total := int64(0)
	for _, v := range list {
		if info, err := os.Stat(v.file); v.file != "" && err == nil {
			total += info.Size()
		}
	}
	if total > corev1.MaxSecretSize {
		return fmt.Errorf("the files have %d bytes: %w", total, errTooLarge)
	}
	return nil
}

// read reads the values. They are masked from now on.
func (a *app) read(ctx context.Context, list []secretValue) (map[string][]byte, error) {
	prompts := slices.ContainsFunc(list, func(v secretValue) bool { return v.prompt })
	switch {
	case prompts && slices.ContainsFunc(list, func(v secretValue) bool { return v.stdin }):
		return nil, usage(errors.New("--from-stdin and --prompt both read standard input: give one of them"))
	case prompts && !a.onTerminal():
		return nil, usage(errors.New("--prompt: there is no terminal to ask on; --from-stdin KEY or --from-file KEY=PATH take a value from elsewhere"))
	}
	data, total := map[string][]byte{}, 0
	for _, v := range list {
		value, err := a.value(ctx, v)
		if err != nil {
			return nil, err
		}
		if len(value) == 0 {
			return nil, usage(fmt.Errorf("the value of %s is empty; nothing was done", v.key))
		}
		if total += len(value); total > corev1.MaxSecretSize {
			return nil, usage(errTooLarge)
		}
		if len(value) < 64<<10 {
			a.masker.Add(string(value))
		}
		data[v.key] = value
	}
	return data, nil
}

func (a *app) value(ctx context.Context, v secretValue) ([]byte, error) {
	limited := func(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, corev1.MaxSecretSize+2)) }
	switch {
	case v.prompt:
		return a.typed(ctx, v.key)
	case v.stdin:
		value, err := limited(a.in)
		if err != nil {
			return nil, fmt.Errorf("read the value of %s from standard input: %w", v.key, err)
		}
		if cut, ok := bytes.CutSuffix(value, []byte("\n")); ok {
			value = bytes.TrimSuffix(cut, []byte("\r"))
		}
		return value, nil
	}
	f, err := os.Open(v.file)
	if err != nil {
		return nil, usage(fmt.Errorf("read the file of %s: %w", v.key, errors.Unwrap(err)))
	}
	defer f.Close()
	value, err := limited(f)
	if err != nil {
		return nil, fmt.Errorf("read the file of %s: %w", v.key, err)
	}
	return value, nil
}

// typed asks for a value on the terminal, which does not show it. An interrupt leaves the terminal as it was.
func (a *app) typed(ctx context.Context, key string) ([]byte, error) {
	fd := int(a.in.(*os.File).Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("--prompt: %w", err)
	}
	fmt.Fprintf(a.err, "%s (is not shown): ", key)
	a.flush()
	type answer struct {
		value []byte
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		value, err := term.ReadPassword(fd)
		answers <- answer{value, err}
	}()
	select {
	case got := <-answers:
		fmt.Fprintln(a.err)
		if got.err != nil {
			return nil, fmt.Errorf("--prompt: %w", got.err)
		}
		return got.value, nil
	case <-ctx.Done():
		fmt.Fprintln(a.err)
		return nil, errors.Join(context.Cause(ctx), term.Restore(fd, before))
	}
}
