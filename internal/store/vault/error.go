package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/transport"
)

// askingLimit is for a question that only explains an error.
const askingLimit = 5 * time.Second

// access is what a request was about, and what it takes to be allowed to make it.
type access struct {
	object string
	path   string
	needs  []string // capabilities
}

// fail restates in one line why a request did not work. The library's own errors
// have several, with the URL and all that the server said.
func (v *Store) fail(ctx context.Context, a access, err error) error {
	refused, answered := errors.AsType[*api.ResponseError](err)
	unmade, isUnmade := errors.AsType[actorError](err)
	switch {
	case isUnmade:
		return unmade.error
	case answered:
		err = v.refusal(ctx, a, refused)
	case errors.Is(err, errUnexpected):
		err = v.notVault(http.StatusOK)
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		err = hint.Wrap(fmt.Errorf("no usable answer within %s", v.timeout), "does it hang, or is a firewall in between? wait longer with --request-timeout 60s")
		return fmt.Errorf("%s: %w", v.name(), err)
	default:
		err = transport.Explain(ctx, err)
		if redirect, ok := errors.AsType[*transport.RedirectError](err); ok && redirect.Target != "" {
			err = fmt.Errorf("%w to %s", err, v.o.Sanitizer.Line(redirect.Target))
		}
		return fmt.Errorf("%s: %w", v.name(), err)
	}
	if _, whole := errors.AsType[unusableError](err); whole {
		return fmt.Errorf("%s: %w", v.name(), err)
	}
	return fmt.Errorf("%s: %s: %w", v.name(), a.object, err)
}

// name names this Vault in an error.
func (v *Store) name() string {
	return transport.Named("vault", v.client.Address(), v.d.From["vault.address"])
}

func (v *Store) refusal(ctx context.Context, a access, refused *api.ResponseError) error {
	code := refused.StatusCode
	if code >= http.StatusInternalServerError {
		if err := v.unusable(ctx); err != nil {
			return err
		}
	}
	switch {
	case refused.RawError, code == http.StatusUnauthorized: // which Vault never answers
		return v.notVault(code)
	case code == http.StatusForbidden:
		return v.denied(ctx, a)
	case code == http.StatusNotFound:
		return hint.Wrap(fmt.Errorf("nothing answers at %s%s", a.path, v.inNamespace()), "check the names of mounts in the config, and the namespace")
	case code == http.StatusTooManyRequests:
		return hint.Wrap(errors.New("vault limits how many requests it takes, and still does after some tries"), "run it again later: it skips what is already done")
	}
	return transport.Answered(code, v.message(refused.Errors))
}

// message returns what the server said, in one line that is safe to show.
func (v *Store) message(lines []string) string {
	text := v.o.Sanitizer.Join("; ", lines...)
	if text == "" {
		return ""
	}
	return ": " + text
}

func (v *Store) notVault(code int) error {
	err := fmt.Errorf("answered %d: %w", code, errUnexpected)
	if code == http.StatusBadRequest && strings.HasPrefix(v.client.Address(), "http://") {
		return hint.Wrap(err, "does it expect https? then write vault.address as https://")
	}
	return hint.Wrap(err, "is %s Vault, or a proxy in front of it?", v.client.Address())
}

// denied distinguishes a token that is not valid from one that may not do this: Vault
// answers 403 to both.
func (v *Store) denied(ctx context.Context, a access) error {
	if _, err := v.visibleMounts(ctx); isStatus(err, http.StatusForbidden) {
		return hint.Wrap(fmt.Errorf("permission denied: the token is not valid%s, or has expired", v.inNamespace()), "run: vault login, or export another VAULT_TOKEN")
	}
	err := fmt.Errorf("%w: the token may not %s %s%s", store.ErrDenied, a.needs[0], a.path, v.inNamespace())
	return hint.Wrap(err, "its policy needs: path %q { capabilities = [%s] }", a.path, quoted(a.needs))
}

// unusable says, as an error, that Vault is sealed or not initialized; nil where
// it is neither or does not tell.
func (v *Store) unusable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askingLimit)
	defer cancel()
	status, err := v.client.WithNamespace("").Sys().SealStatusWithContext(ctx) // the root namespace alone has it
	if err != nil || status == nil || status.Type == "" {
		return nil
	}
	return usable(status)
}

// unusableError is about the whole server, whatever object was asked for.
type unusableError string

func (e unusableError) Error() string { return string(e) }

func usable(status *api.SealStatusResponse) error {
	switch {
	case !status.Initialized:
		return hint.Wrap(unusableError("not initialized"), "run: vault operator init")
	case status.Sealed:
		return hint.Wrap(unusableError("sealed"), "run: vault operator unseal")
	}
	return nil
}

func (v *Store) inNamespace() string {
	if ns := v.client.Namespace(); ns != "" {
		return " in namespace " + ns
	}
	return ""
}

func isStatus(err error, code int) bool {
	refused, ok := errors.AsType[*api.ResponseError](err)
	return ok && refused.StatusCode == code
}

func quoted(words []string) string {
	var out []string
	for _, w := range words {
		out = append(out, strconv.Quote(w))
	}
	return strings.Join(out, ", ")
}
