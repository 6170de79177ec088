package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// environment puts --env and --env-from together.
func (j *jobRun) environment() error {
	var problems []error
	env := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(j.flags.Env)) {
		env[name] = j.flags.Env[name]
	}
	for _, name := range slices.Sorted(maps.Keys(j.flags.EnvFrom)) {
		if _, twice := env[name]; twice {
			problems = append(problems, fmt.Errorf("--env and --env-from both give the variable %s", name))
		}
		source, err := sourceFlag("env-from "+name, j.flags.EnvFrom[name])
		problems = append(problems, err)
		env[name] = source
	}
	if len(env) > 0 {
		j.with["env"] = env
	}
	return errors.Join(problems...)
}

// secretFlags are the entries of with.secrets, by the names of the Secrets.
type secretFlags struct {
	list     []any
	byName   map[string]map[string]any
	problems []error
}

// secrets puts --secret, --use-secret and --secret-env together.
func (j *jobRun) secrets() error {
	s := &secretFlags{byName: map[string]map[string]any{}}
	for _, text := range j.flags.Secret {
		s.make(text)
	}
	for _, name := range j.flags.UseSecret {
		if s.byName[name] != nil {
			s.problems = append(s.problems, fmt.Errorf("--use-secret: %s is there already", name))
		}
		s.entry(name, "existing")
	}
	for _, text := range j.flags.SecretEnv {
		s.variable(text)
	}
	if len(s.list) > 0 {
		j.with["secrets"] = s.list
	}
	return errors.Join(s.problems...)
}

// entry is that of a Secret; field is where a new one has its name.
func (s *secretFlags) entry(name, field string) map[string]any {
	if s.byName[name] == nil {
		s.byName[name] = map[string]any{field: name}
		s.list = append(s.list, s.byName[name])
	}
	return s.byName[name]
}

// make reads NAME.KEY=SOURCE. Names of Secrets that are made have no dots, keys may.
func (s *secretFlags) make(text string) {
	path, source, ok := strings.Cut(text, "=")
	name, key, dotted := strings.Cut(path, ".")
	if !ok || !dotted || name == "" || key == "" {
		s.problems = append(s.problems, errors.New("--secret: want NAME.KEY=SOURCE, such as db.password=env:DB_PASSWORD"))
		return
	}
	value, err := sourceFlag("secret "+path, source)
	if err != nil {
		s.problems = append(s.problems, err)
		return
	}
	from, _ := s.entry(name, "name")["from"].(map[string]any)
	if from[key] != nil {
		s.problems = append(s.problems, fmt.Errorf("--secret: %s is there twice", path))
	}
	field{path: []string{"from", key}}.set(s.byName[name], value["from"])
}

// variable reads NAME.VARIABLE=KEY. Names of Secrets that are there may have dots, variables not.
func (s *secretFlags) variable(text string) {
	path, key, _ := strings.Cut(text, "=")
	at := strings.LastIndexByte(path, '.')
	if at < 0 || key == "" || s.byName[path[:at]] == nil {
		s.problems = append(s.problems, errors.New("--secret-env: want NAME.VARIABLE=KEY, and NAME is one of --secret or --use-secret"))
		return
	}
	field{path: []string{"env", path[at+1:]}}.set(s.byName[path[:at]], key)
}

// template reads --pod-template.
func (j *jobRun) template() error {
	if j.flags.PodTemplate == "" {
		return nil
	}
	data, err := os.ReadFile(j.flags.PodTemplate)
	if err != nil {
		return fmt.Errorf("--pod-template: %w", err)
	}
	var patch map[string]any
	if err := yaml.Unmarshal(data, &patch); err != nil {
		return fmt.Errorf("--pod-template: read %s: %w", j.flags.PodTemplate, err)
	}
	if len(patch) == 0 {
		return fmt.Errorf("--pod-template: %s has no fields: metadata and spec of a pod's template", j.flags.PodTemplate)
	}
	j.with["podTemplate"] = patch
	return nil
}
