package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"plan/internal/report"
)

// version and commit are stamped by the Makefile (-ldflags -X).
var (
	version = "dev"
	commit  = ""
)

// VersionCmd prints the version.
type VersionCmd struct {
	Output string `short:"o" help:"text or json; ndjson is json." enum:"text,json,ndjson" default:"text" env:"PLAN_OUTPUT" placeholder:"FORMAT"`
}

// Run is `plan version`.
func (c *VersionCmd) Run(a *app) error {
	info := struct {
		SchemaVersion int    `json:"schemaVersion"`
		Kind          string `json:"kind"`
		Version       string `json:"version"`
		Commit        string `json:"commit,omitempty"`
		Go            string `json:"go"`
		OS            string `json:"os"`
		Arch          string `json:"arch"`
	}{report.SchemaVersion, "Version", version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH}
	if c.Output != "text" {
		return report.WriteJSON(a.out, info)
	}
	_, err := fmt.Fprintf(a.out, "plan %s %s %s %s/%s\n", info.Version, cmp.Or(info.Commit, "unknown"), info.Go, info.OS, info.Arch)
	return err
}

func revision() string {
	if commit != "" {
		return commit
	}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, setting := range build.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return ""
}

// userAgent is how servers see plan.
func userAgent() string { return "plan/" + version + " (" + runtime.GOOS + "/" + runtime.GOARCH + ")" }
