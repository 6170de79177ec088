// Command floor-render writes n Jobs as documents of YAML, as kubectl does it: all like the first of a List that is read from a file, but for
// their names.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	n := flag.Int("n", 1000, "how many")
	flag.Parse()
	if err := run(*n, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "floor-render:", err)
		os.Exit(1)
	}
}

func run(n int, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var list batchv1.JobList
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	if len(list.Items) == 0 {
		return errors.New("the list is empty")
	}
	out := bufio.NewWriter(os.Stdout)
	for i := range n {
		job := list.Items[0].DeepCopy()
		job.Name = fmt.Sprintf("bench-s%d-0123456789", i)
		text, err := yaml.Marshal(job)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "---\n%s", text)
	}
	return out.Flush()
}
