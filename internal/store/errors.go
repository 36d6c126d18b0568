package store

import "errors"

// Errors that say what a store cannot do, besides those of io/fs.
var (
	ErrNoToken         = errors.New("no token")
	ErrNoStatusVersion = errors.New("the driver's status has no version that can be compared")
	ErrLoginOnNode     = errors.New("only the node of the pod can do its login")
)
