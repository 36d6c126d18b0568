package cmd

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"charm.land/huh/v2"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
)

// errAborted ends init as the user wishes.
var errAborted = errors.New("nothing was written")

// ask asks for what no flag has said.
func (a *app) ask(ctx context.Context, o *initOptions, given func(flag string) bool) error {
	o.asked = true
	var open []question
	for _, q := range o.questions() {
		found := len(o.Secrets) > 0 && (q.flag == "secret" || q.flag == "client") ||
			o.Workload != nil && *q.answer != "" && slices.Contains([]string{"namespace", "provider", "csi-addr", "key-vault"}, q.flag)
		if !given(q.flag) && !found && !(o.Provider != "" && o.passes(q)) {
			open = append(open, q)
		}
	}
	term, _ := a.LookupEnv("TERM")
	_, accessible := a.LookupEnv("ACCESSIBLE")
	var err error
	if accessible || term == "dumb" {
		err = a.askInLines(ctx, o, open)
	} else if len(open) > 0 {
		err = a.form(o, open).RunWithContext(ctx)
	}
	if errors.Is(err, huh.ErrUserAborted) || errors.Is(err, io.EOF) {
		return &endedError{error: errAborted} // as after an interrupt
	}
	if ctx.Err() != nil {
		return errAborted
	}
	return err
}

// accept takes an answer, or says what the config has against it.
func (o *initOptions) accept(q question, answer string) error {
	*q.answer = answer
	err := o.check(func(other question) bool { return other.flag == q.flag })
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(err.Error(), "--"+q.flag+" ")
	if text == "is missing" {
		text = "an answer is required"
	}
	return errors.New(strings.TrimSuffix(text+": "+hint.Of(err), ": "))
}

// form has a page for each part of the config.
func (a *app) form(o *initOptions, open []question) *huh.Form {
	var groups []*huh.Group
	var fields []huh.Field
	for i, q := range open {
		fields = append(fields, a.field(o, q))
		if i+1 < len(open) && open[i+1].page == q.page {
			continue
		}
		other := func() bool { return o.passes(q) }
		groups, fields = append(groups, huh.NewGroup(fields...).WithHideFunc(other)), nil
	}
	theme := huh.ThemeFunc(huh.ThemeCharm)
	if _, plain := a.LookupEnv("NO_COLOR"); plain || a.noColor {
		theme = huh.ThemeBase
	}
	return huh.NewForm(groups...).WithTheme(theme).WithInput(a.In).WithOutput(a.console.out) // the terminal itself
}

// passes says whether a question is for the other provider.
func (o *initOptions) passes(q question) bool {
	return slices.Contains(config.Providers(), q.page) && q.page != o.Provider
}

func (a *app) field(o *initOptions, q question) huh.Field {
	if q.choices != nil {
		return huh.NewSelect[string]().Title(q.title).Description(q.about).Options(huh.NewOptions(q.choices...)...).Value(q.answer)
	}
	input := huh.NewInput().Title(q.title).Description(q.about).
		Validate(func(answer string) error { return o.accept(q, answer) })
	if !q.derived {
		*q.answer = cmp.Or(*q.answer, q.fallback)
	}
	return input.Value(q.answer)
}

// fallback returns what a question's answer is where none is given.
func (o *initOptions) fallback(flag string) string {
	for _, q := range o.questions() {
		if q.flag == flag {
			return q.fallback
		}
	}
	return ""
}

// askInLines asks one question after the other, for what reads a screen aloud and
// for terminals that can do no more. The form library has such a mode, too, but it
// asks about the other provider as well, shows no defaults, and takes the end of the
// input for an answer.
func (a *app) askInLines(ctx context.Context, o *initOptions, open []question) error {
	in := bufio.NewReader(a.In)
	for _, q := range open {
		for !o.passes(q) {
			offered := ""
			if fallback := cmp.Or(o.fallback(q.flag), strings.Join(q.choices, " or ")); fallback != "" {
				offered = "[" + fallback + "] "
			}
			_, _ = fmt.Fprintf(a.Err, "%s\n  %s\n  %s> ", q.title, q.about, offered)
			answer, err := readLine(ctx, in)
			if err != nil {
				a.narrate("")
				return err
			}
			if err = o.accept(q, answer); err == nil {
				break
			}
			a.narrate("%s", err)
		}
	}
	return nil
}
