// Package rigs runs the plan program against real servers that misbehave: faulty networks, servers that are killed, black holes, races,
// missing rights. It has tests only; they need PLAN_TEST_LAB=1, and labs of their own. PLAN_RIG_FAULTS, PLAN_RIG_RESTARTS, PLAN_RIG_RACES
// and PLAN_RIG_WORKERS say how much, PLAN_RIG_SEED which chance.
package rigs
