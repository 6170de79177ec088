// Package rigs proves what is promised of the process itself: that whatever ends it, and whatever its disk does, the run can be gone on
// with and comes to what it would have come to; that signals end it as they should; that no secret value gets out.
//
// There is nothing here but tests. They build the program, run it against servers of their own on loopback with the plans of the folder
// plans, and compare with one run of each that nothing disturbed. How much is tried is set by PLAN_RIG_POINTS, PLAN_RIG_KILLS,
// PLAN_RIG_ERRORS, PLAN_RIG_SIGNALS and PLAN_RIG_CANARIES (a number; all for points and errors) and
// bounded by PLAN_RIG_LIMIT (a duration for each test); PLAN_RIG_SEED repeats what was drawn, and PLAN_RIG_PLAN=WORD takes only plans with
// that word in their names.
package rigs
