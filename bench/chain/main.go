// Command chain runs a plan whose steps do nothing with plan's own engine: all of the load with its checks, and all of the walk. With
// -journal the run is recorded as plan records it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"plan/engine"
	"plan/schema"
)

func main() {
	journal := flag.String("journal", "", "the file; must not exist")
	times := flag.Int("times", 1, "how often, so that the program's own start counts for little; more than once only without -journal")
	flag.Parse()
	for range *times {
		if err := run(context.Background(), flag.Arg(0), *journal); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func run(ctx context.Context, file, journal string) error {
	const nothing = `{"type": "object", "additionalProperties": false}`
	bundle, err := schema.Bundle([]schema.Kind{{Name: "nothing", Schema: []byte(nothing)}})
	if err != nil {
		return err
	}
	lang, err := engine.NewLanguage([]engine.Kind{{Name: "nothing", Schema: []byte(nothing)}}, bundle, nil)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	plan, err := lang.Load(engine.Source{File: file, Dir: ".", Data: data}, engine.LoadOptions{})
	if err != nil {
		return err
	}
	options := engine.Options{RunID: "bench", Do: func(context.Context, *engine.Call) (engine.Result, error) { return engine.Result{}, nil }}
	if journal != "" {
		j, err := engine.CreateJournal(journal, engine.RunStartedRecord{Run: "bench", Plan: plan.Name, PlanHash: plan.Hash})
		if err != nil {
			return err
		}
		defer j.Close()
		options.Journal = j
	}
	if result := engine.Run(ctx, plan, options); result.ExitCode != 0 {
		return fmt.Errorf("exit code %d: %w", result.ExitCode, result.Err)
	}
	return nil
}
