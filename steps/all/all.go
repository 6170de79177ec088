// Package all is the list of the kinds of step.
package all

import (
	"plan/steps"
	"plan/steps/backupnodes"
	"plan/steps/backuppvs"
	"plan/steps/listpvs"
	"plan/steps/notify"
	"plan/steps/prune"
	"plan/steps/verifyobject"
	"plan/steps/verifystore"
)

// Kinds is every kind there is, sorted by name.
func Kinds() []steps.Kind {
	return []steps.Kind{
		backupnodes.Kind(),
		backuppvs.Kind(),
		listpvs.Kind(),
		notify.Kind(),
		prune.Kind(),
		verifyobject.Kind(),
		verifystore.Kind(),
	}
}
