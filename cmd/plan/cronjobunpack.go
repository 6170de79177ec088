package main

import (
	"fmt"

	"plan/internal/bundle/layout"
)

// UnpackCmd puts what a bundle carries where the plan looks for it. It is what the init container of `plan cronjob` runs.
type UnpackCmd struct {
	From string `required:"" help:"The folder with the parts." placeholder:"DIR"`
	To   string `required:"" help:"The folder to put them into." placeholder:"DIR"`
}

// Run is `plan unpack`.
func (c *UnpackCmd) Run(*app) error {
	signals := watchSignals()
	defer signals.stop()
	if err := layout.Write(signals.ctx, c.From, c.To); err != nil {
		return signals.instead(fmt.Errorf("unpack the plan's directories: %w", err))
	}
	return nil
}
