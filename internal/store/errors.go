package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/secretctl/secretctl/internal/hint"
)

// Errors of all stores, besides those of io/fs.
var (
	ErrNoToken         = hint.Usage("", "no token")
	ErrNoStatusVersion = errors.New("the driver's status has no version that can be compared")
	ErrLoginOnNode     = errors.New("only the node of the pod can do its login")
	// ErrPEM is a certificate or key: its file is made of the stored value, but differs from it.
	ErrPEM = errors.New("is a certificate or key, which the CSI provider writes as PEM")
	// ErrDenied is a valid token or login without the right.
	ErrDenied = Refused("permission denied")
)

// kindError is an error of io/fs with another text.
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

// SettingError names the settings that something needs and the config leaves empty.
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

// Usage marks a usage error: nothing was attempted.
func (*SettingError) Usage() bool { return true }
