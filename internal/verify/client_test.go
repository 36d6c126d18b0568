package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
)

func clientRows() []row {
	const (
		exists    = "client/exists Client/basic"
		masked    = "client/masked Client/basic"
		reference = "client/reference Client/basic"
	)
	answer := func(refs map[string]string, literals []string, err error) func(*testing.T, *fixture) {
		return func(_ *testing.T, s *fixture) {
			s.w.References = func(context.Context, config.Resource) (map[string]string, []string, error) {
				return refs, literals, err
			}
		}
	}
	absent := answer(nil, nil, fmt.Errorf("aidbox: Client/basic: %w", fs.ErrNotExist))
	return []row{
		{"there", nil, exists, StatusPass, "in Aidbox"},
		{"absent", absent, exists, StatusFail, "secretctl client apply"},
		{"denied", answer(nil, nil, hint.Wrap(errors.New("aidbox: denied"), "use a root Client")), exists, StatusUnknown, "aidbox: denied | use a root Client"},
		{"no access", func(_ *testing.T, s *fixture) { s.w.References = nil }, exists, StatusSkip, "aidbox.admin"},

		{"masked", nil, masked, StatusPass, "no literal value"},
		{"literal", answer(nil, []string{"secret"}, nil), masked, StatusFail, "literal value at secret"},
		{"literal, with its value", answer(nil, []string{canary, "secret"}, nil), masked, StatusFail, "at secret, 1 not in the config"},
		{"absent", absent, masked, StatusSkip, "skipped: client/exists failed"},

		{"right", nil, reference, StatusPass, "secret refers to client-secret"},
		{"no reference", answer(nil, nil, nil), reference, StatusFail, "secret refers to no secret"},
		{"another", func(t *testing.T, s *fixture) {
			s.d.Secrets = append(s.d.Secrets, config.Secret{Name: "other", Scope: []string{"Client"}})
			answer(map[string]string{"secret": "other"}, nil, nil)(t, s)
		}, reference, StatusFail, "secret refers to other, not to client-secret"},
		{"a value for a name", answer(map[string]string{"secret": canary}, nil, nil), reference, StatusFail, "refers to a secret that is not in the config, not to client-secret"},
		{"absent", absent, reference, StatusSkip, "skipped: client/exists"},
	}
}
