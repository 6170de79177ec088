// Command floor-chain runs a chain of steps that do nothing: it parses them, finds out that their needs exist, and walks them, each in a
// goroutine of its own. With -journal each step's end is a line in a file, on disk before the next step begins.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

type plan struct {
	Spec struct {
		Steps []struct {
			ID    string   `yaml:"id"`
			Uses  string   `yaml:"uses"`
			Needs []string `yaml:"needs"`
		} `yaml:"steps"`
	} `yaml:"spec"`
}

func main() {
	journal := flag.String("journal", "", "the file; must not exist")
	times := flag.Int("times", 1, "how often, so that the program's own start counts for little; more than once only without -journal")
	flag.Parse()
	for range *times {
		if err := run(flag.Arg(0), *journal); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func run(file, journal string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var p plan
	if err := yaml.Unmarshal(data, &p); err != nil {
		return err
	}
	write := func() error { return nil }
	if journal != "" {
		f, err := os.OpenFile(journal, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		line := []byte(strings.Repeat("x", 400) + "\n")
		write = func() error {
			if _, err := f.Write(line); err != nil {
				return err
			}
			return f.Sync()
		}
	}
	return p.walk(write)
}

func (p *plan) walk(write func() error) error {
	pending, after := map[string]int{}, map[string][]string{}
	ready := []string{}
	for _, s := range p.Spec.Steps {
		if _, twice := pending[s.ID]; twice {
			return fmt.Errorf("%s is there twice", s.ID)
		}
		for _, need := range s.Needs {
			if _, known := pending[need]; !known {
				return fmt.Errorf("%s needs %s, which does not exist", s.ID, need)
			}
			after[need] = append(after[need], s.ID)
		}
		if pending[s.ID] = len(s.Needs); len(s.Needs) == 0 {
			ready = append(ready, s.ID)
		}
	}
	ends := make(chan string)
	for range p.Spec.Steps {
		go func(id string) { ends <- id }(ready[0])
		ready = ready[1:]
		id := <-ends
		if err := write(); err != nil {
			return err
		}
		for _, next := range after[id] {
			if pending[next]--; pending[next] == 0 {
				ready = append(ready, next)
			}
		}
	}
	return nil
}
