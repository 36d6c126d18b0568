package drift

import (
	"context"
	"errors"
	"io/fs"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/store"
)

// InStore compares a store with what the steps would write, phase by phase. It continues
// after a phase that the token may not read: often one token may write secrets, and another
// one policies. It calls left for a phase that the config leaves to others.
func InStore(ctx context.Context, steps []store.Step, phases []string, left func(error)) ([]Object, error) {
	var objects []Object
	for _, phase := range phases {
		changes, err := provision.Run(ctx, steps, []string{phase}, true)
		_, elsewhere := errors.AsType[*store.SettingError](err)
		switch {
		case elsewhere:
			left(err)
		case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrInvalid), errors.Is(err, fs.ErrNotExist):
			objects = append(objects, unknown("phase "+phase, err))
		case err != nil:
			return objects, err
		}
		for _, c := range changes {
			objects = append(objects, stored(c))
		}
	}
	return objects, nil
}

func stored(c store.Change) Object {
	o := Object{Name: c.Object, State: Equal, Detail: c.Detail}
	switch c.Action {
	case store.Create:
		o.State = Absent
	case store.Update:
		o.State = Different
		if c.OtherValue {
			o.Detail = "the stored value is not that of " + c.Detail
		}
	case store.Absent:
		o.State, o.Detail = Absent, c.Warning
	}
	if c.Refused != nil {
		o.Detail, o.Hint = "provision refuses to change it: "+c.Refused.Error(), hint.Of(c.Refused)
	}
	return o
}
