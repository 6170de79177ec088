package main

import (
	"context"
	"errors"
	"fmt"

	"plan/engine"
)

// withExitCode runs the job; that of its one pod, if it failed, replaces the exit code 1.
func (j *jobRun) withExitCode(r *request) error {
	if n := j.with["completions"]; !isOne(j.with["parallelism"]) || !isOne(n) || j.with["workload"] == "deployment" || j.with["detach"] == true {
		return usage(errors.New("--exit-code is that of one pod that is waited for: not with --parallelism or --completions above 1, a deployment, or --detach"))
	}
	var codes []int
	r.wrap = func(do engine.Do) engine.Do {
		return func(ctx context.Context, call *engine.Call) (engine.Result, error) {
			result, err := do(ctx, call)
			var failed interface{ ExitCodes() []int }
			codes = nil
			if errors.As(err, &failed) {
				codes = failed.ExitCodes()
			}
			return result, err
		}
	}
	err := j.app.start(r, j.common.RunFlags, j.common.DryRunFlag)
	var ended exit
	if !errors.As(err, &ended) || ended.code != engine.ExitFailed || len(codes) == 0 {
		return err
	}
	ended.code = codes[len(codes)-1] // with retries there were several pods, one after the other
	fmt.Fprintf(j.app.err, "plan: exit code %d is the pod's\n", ended.code)
	return ended
}

// isOne tells whether a number of pods is one, as it is where nothing is said.
func isOne(n any) bool { return n == nil || n == int64(1) }
