package hint

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestOfFindsTheOutermostHint(t *testing.T) {
	plain := errors.New("plain")
	inner := Wrap(plain, "inner %d%%", 7)
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{plain, ""},
		{inner, "inner 7%"},
		{fmt.Errorf("around: %w", inner), "inner 7%"},
		{Wrap(fmt.Errorf("around: %w", inner), "outer"), "outer"},
		{errors.Join(plain, inner), "inner 7%"},
		{Wrap(inner, ""), "inner 7%"},
	} {
		if got := Of(tt.err); got != tt.want {
			t.Errorf("Of(%v) is %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestWrapKeepsTheError(t *testing.T) {
	if err := Wrap(nil, "hint"); err != nil {
		t.Errorf("a hint made an error: %v", err)
	}
	err := Wrap(fmt.Errorf("secret: %w", fs.ErrNotExist), "hint")
	if err.Error() != "secret: file does not exist" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
}
