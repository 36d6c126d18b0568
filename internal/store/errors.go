package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Errors that say what a store cannot do, besides those of io/fs.
var (
	ErrNoToken         error = noTokenError{}
	ErrNoStatusVersion       = errors.New("the driver's status has no version that can be compared")
	ErrLoginOnNode           = errors.New("only the node of the pod can do its login")
	// ErrPEM is of a secret whose file is not the stored value, but made of it.
	ErrPEM = errors.New("is a certificate or key, which the CSI provider writes as PEM")
)

type noTokenError struct{}

func (noTokenError) Error() string { return "no token" }

// Usage says that it is a mistake of usage: nothing was attempted.
func (noTokenError) Usage() bool { return true }

// ErrDenied says that a valid token or login may not do something.
var ErrDenied = Refused("permission denied")

// kindError is an error of io/fs in words that fit a store.
type kindError struct {
	text string
	kind error
}

func (e *kindError) Error() string { return e.text }
func (e *kindError) Unwrap() error { return e.kind }

// NotFound returns an [fs.ErrNotExist] with this text.
func NotFound(text string) error { return &kindError{text, fs.ErrNotExist} }

// Invalid returns an [fs.ErrInvalid] with this text.
func Invalid(text string) error { return &kindError{text, fs.ErrInvalid} }

// Refused returns an [fs.ErrPermission] with this text.
func Refused(text string) error { return &kindError{text, fs.ErrPermission} }

// SettingError says what the config lacks for something that was asked for.
type SettingError struct {
	For     string
	Missing []string // keys
	Next    string   // what to do
}

func (e *SettingError) Error() string {
	return fmt.Sprintf("%s needs %s in the config", e.For, strings.Join(e.Missing, ", "))
}

// Hint says what to do.
func (e *SettingError) Hint() string { return e.Next }

// Usage says that it is a mistake of usage: nothing was attempted.
func (*SettingError) Usage() bool { return true }
