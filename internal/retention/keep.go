// Package retention decides which backups may go, and removes them safely.
package retention

import "errors"

// Keep says which backups stay: the union of its rules. Last keeps the newest N; Daily, Weekly and Monthly keep the newest backup
// of each of the last N days, ISO weeks and months, in UTC, that have one. A rule of 0 keeps nothing by itself.
type Keep struct {
	Last    int `yaml:"last"`
	Daily   int `yaml:"daily"`
	Weekly  int `yaml:"weekly"`
	Monthly int `yaml:"monthly"`
}

// Validate wants no rule below 0 and at least one above: rules that keep nothing are never what was meant.
func (k Keep) Validate() error {
	if min(k.Last, k.Daily, k.Weekly, k.Monthly) < 0 {
		return errors.New("keep: a rule is negative")
	}
	if max(k.Last, k.Daily, k.Weekly, k.Monthly) == 0 {
		return errors.New("keep: set at least one of last, daily, weekly and monthly to 1 or more")
	}
	return nil
}
