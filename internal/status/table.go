package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/verify"
)

// symbols are those of check results; all other states are "×".
var symbols = map[verify.State]string{verify.StateCurrent: "√", verify.StateUnknown: "?", Expired: "!", Due: "!"}

// Table returns the rows of the text form, with a heading for each delivery if there
// are several. A row starting with "#" is a heading.
func (r Report) Table(several bool) (rows [][]string) {
	for _, d := range r.Deliveries {
		if several {
			rows = append(rows, []string{"# " + d.Name})
		}
		if d.Error != nil {
			rows = append(rows, []string{"? not finished: " + d.Error.Message})
		}
		if len(d.Secrets)+len(d.Resources) > 0 {
			rows = append(rows, []string{"STATE", "NAME", "VERSION", "AGE", "ROTATED", "EXPIRES", "DETAIL"})
		}
		for _, s := range d.Secrets {
			rows = append(rows, s.rows(r.Time)...)
		}
		for _, r := range d.Resources {
			rows = append(rows, row(r.State, r.Name, "", r.Detail, r.Hint))
		}
	}
	return rows
}

// rows returns a row for the secret, and one for each replica that is not current.
func (is Secret) rows(now time.Time) [][]string {
	first := row(is.State, is.Name, is.Version, is.detail(), is.Hint)
	first[3], first[4], first[5] = "-", "-", "-"
	if !is.Written.IsZero() {
		first[3], first[4] = age(now.Sub(is.Written)), "never"
	}
	if !is.Rotated.IsZero() {
		first[4] = age(now.Sub(is.Rotated)) + " ago"
	}
	if !is.Expires.IsZero() {
		first[5] = is.Expires.UTC().Format(time.DateOnly)
	}
	rows := [][]string{first}
	for _, r := range is.Replicas {
		if r.State == verify.StateCurrent {
			continue
		}
		detail := r.Detail
		if r.Behind > 0 {
			detail = verify.Count(r.Behind, "version") + " behind"
		}
		rows = append(rows, row(r.State, "- "+r.Name, r.Version, detail, r.Hint))
	}
	return rows
}

func row(state verify.State, name, version, detail, hint string) []string {
	symbol, known := symbols[state]
	if !known {
		symbol = "×"
	}
	if hint != "" {
		detail += "; hint: " + hint
	}
	if len(version) > 12 { // Key Vault's have 32 characters
		version = version[:8] + "…"
	}
	return []string{symbol + " " + string(state), name, version, "", "", "", strings.TrimPrefix(detail, "; ")}
}

func (is Secret) detail() string {
	all, current, unknown := 0, 0, 0
	for _, r := range is.Replicas {
		all += r.count
		switch r.State {
		case verify.StateCurrent:
			current += r.count
		case verify.StateUnknown:
			unknown += r.count
		}
	}
	text := fmt.Sprintf("%d of %s current", current, verify.Count(all, "replica"))
	if unknown > 0 {
		text += fmt.Sprintf(", %d unknown", unknown)
	}
	if is.Detail != "" {
		text += "; " + is.Detail
	}
	return text
}

// Summary counts secrets and resources by state.
func (r Report) Summary() string {
	var secrets, resources []verify.State
	unfinished := 0
	for _, d := range r.Deliveries {
		for _, s := range d.Secrets {
			secrets = append(secrets, s.State)
		}
		for _, r := range d.Resources {
			resources = append(resources, r.State)
		}
		if d.Error != nil {
			unfinished++
		}
	}
	parts := append(tally("secret", secrets), tally("resource", resources)...)
	if unfinished > 0 {
		parts = append(parts, fmt.Sprintf("not finished: %d of %d deliveries", unfinished, len(r.Deliveries)))
	}
	return strings.Join(parts, "; ")
}

// tally counts by state, in words; it returns nothing for nothing.
func tally(noun string, all []verify.State) []string {
	if len(all) == 0 {
		return nil
	}
	counts := map[verify.State]int{}
	for _, state := range all {
		counts[state]++
	}
	var parts []string
	for _, state := range slices.Backward(severity) {
		if counts[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
		}
	}
	return []string{verify.Count(len(all), noun) + ": " + strings.Join(parts, ", ")}
}

// age shows a duration in one unit: 90s, 12m, 5h, 3d.
func age(d time.Duration) string {
	switch d = max(0, d); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
