package store

import "errors"

// Errors that say what a store cannot do, besides those of io/fs.
var (
	ErrNoToken         error = noTokenError{}
	ErrNoStatusVersion       = errors.New("the driver's status has no version that can be compared")
	ErrLoginOnNode           = errors.New("only the node of the pod can do its login")
)

type noTokenError struct{}

func (noTokenError) Error() string { return "no token" }

// Usage says that it is a mistake of usage: nothing was attempted.
func (noTokenError) Usage() bool { return true }
