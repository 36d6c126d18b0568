package cmd

import (
	"context"

	"github.com/secretctl/secretctl/internal/atomicfile"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/render"
)

// renderValues writes values for the Aidbox Helm chart.
func (a *app) renderValues(ctx context.Context, all []*config.Delivery, o renderOptions) error {
	if len(all) > 1 {
		return hint.Usage("name one with --delivery: "+names(all), "values are for one release, and the config has %d deliveries", len(all))
	}
	if o.output == "json" {
		return hint.Usage("leave it out", "-o json is for objects, and not for values")
	}
	if err := a.fillIn(ctx, all[0], false); err != nil {
		return err
	}
	var own []byte
	if o.values != "" {
		var err error
		if own, err = atomicfile.Read(o.values); err != nil {
			return hint.Usage("name a file of values with --values", "%w", err)
		}
	}
	options, err := withInitBundle(all[0], o.Options)
	if err != nil {
		return err
	}
	values, err := render.HelmValues(all[0], options, own)
	if err != nil {
		return err
	}
	if !o.helmValues {
		next := "secretctl render --skip " + all[0].Aidbox.Workload.Kind
		if options.InitBundle != nil { // without it, Aidbox would not find the file
			next += " --with " + render.WithInitBundle
		}
		a.narrate("note: these are values for the Aidbox chart, which manages %s; %s writes what they refer to", all[0].Aidbox.Workload, a.onlyFor(all[0].Name, next))
	}
	a.warnOfLiterals(all[0], options)
	_, err = a.Out.Write(values)
	return err
}
