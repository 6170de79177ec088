// Package all is the list of the kinds of step.
package all

import (
	"plan/steps"
	"plan/steps/backupnodes"
	"plan/steps/backupnodetoken"
	"plan/steps/backuppvs"
	"plan/steps/listpvs"
	"plan/steps/notify"
	"plan/steps/prune"
	"plan/steps/restorenodes"
	"plan/steps/restorepvs"
	"plan/steps/runjob"
	"plan/steps/verifyall"
	"plan/steps/verifybackup"
	"plan/steps/verifyetcd"
	"plan/steps/verifylonghorn"
	"plan/steps/verifynodetoken"
	"plan/steps/verifyobject"
	"plan/steps/verifystore"
)

// Kinds is every kind there is, sorted by name.
func Kinds() []steps.Kind {
	return []steps.Kind{
		backupnodes.Kind(),
		backupnodetoken.Kind(),
		backuppvs.Kind(),
		listpvs.Kind(),
		notify.Kind(),
		prune.Kind(),
		restorenodes.Kind(),
		restorepvs.Kind(),
		runjob.Kind(),
		verifyall.Kind(),
		verifybackup.Kind(),
		verifyetcd.Kind(),
		verifylonghorn.Kind(),
		verifynodetoken.Kind(),
		verifyobject.Kind(),
		verifystore.Kind(),
	}
}
