package engine

// The exit codes of plan, all of them. The run's own are computed from its steps; the others are the command line's.
const (
	ExitOK          = 0   // every step succeeded, was ignored or was skipped by its own if
	ExitFailed      = 1   // a step's work failed
	ExitInvalid     = 2   // usage or plan invalid; nothing was done
	ExitFail        = 3   // a verification's verdict is fail
	ExitUnknown     = 4   // a verification's verdict is unknown
	ExitLost        = 5   // the outcome of an effect is unknown
	ExitUnreachable = 69  // cluster, store or secret source does not answer; no step has started
	ExitLocked      = 75  // another run holds the lock
	ExitDenied      = 77  // permission missing; no step has started
	ExitTimedOut    = 124 // the run's timeout
	ExitInterrupted = 130 // SIGINT
	ExitTerminated  = 143 // SIGTERM
)
