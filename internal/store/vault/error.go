package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/transport"
)

// questionTimeout bounds a request that only explains an error.
const questionTimeout = 5 * time.Second

// access is what a request is about, and the capabilities that it needs.
type access struct {
	object string
	path   string
	needs  []string
}

// fail restates in one line why a request failed. The library's errors have several,
// with all that the server said.
func (v *Store) fail(ctx context.Context, a access, err error) error {
	noLogin, isLogin := errors.AsType[loginError](err)
	refused, answered := errors.AsType[*api.ResponseError](err)
	about := v.name() + ": " + a.object
	switch {
	case isLogin:
		return noLogin.error
	case answered:
		err = v.refusal(ctx, a, refused)
		if _, whole := errors.AsType[unusableError](err); whole {
			about = v.name()
		}
	case errors.Is(err, errUnexpected):
		err = v.notVault(http.StatusOK)
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		about = v.name()
		err = hint.Wrap(fmt.Errorf("no usable answer within %s", v.timeout), "does it hang, or is a firewall in between? wait longer with --request-timeout 60s")
	default:
		about = v.name()
		err = transport.Explain(ctx, err)
		if redirect, ok := errors.AsType[*transport.RedirectError](err); ok && redirect.Target != "" {
			err = fmt.Errorf("%w to %s", err, v.o.Sanitizer.Line(redirect.Target))
		}
	}
	return fmt.Errorf("%s: %w", about, err)
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
		return hint.Wrap(fmt.Errorf("nothing answers at %s%s", a.path, v.inNamespace()), "check the namespace, and the names of mounts in the config")
	case code == http.StatusTooManyRequests:
		return hint.Wrap(errors.New("vault limits how many requests it takes, even after several retries"), "run again later")
	}
	return transport.Answered(code, v.message(refused))
}

// message returns what the server said, in one line that is safe to show.
func (v *Store) message(refused *api.ResponseError) string {
	if text := v.o.Sanitizer.Join("; ", refused.Errors...); text != "" {
		return ": " + text
	}
	return ""
}

func (v *Store) notVault(code int) error {
	err := fmt.Errorf("answered %d: %w", code, errUnexpected)
	if code == http.StatusBadRequest && strings.HasPrefix(v.client.Address(), "http://") {
		return hint.Wrap(err, "does it expect https? then write vault.address as https://")
	}
	return hint.Wrap(err, "is %s Vault, or a proxy in front of it?", v.client.Address())
}

// denied tells a token that is not valid from one without the right: Vault answers 403
// to both.
func (v *Store) denied(ctx context.Context, a access) error {
	if _, err := v.visibleMounts(ctx); isStatus(err, http.StatusForbidden) {
		return hint.Wrap(fmt.Errorf("permission denied: the token is not valid%s, or has expired", v.inNamespace()),
			"%s", v.shellf("export another VAULT_TOKEN, or unset it and run: vault login -address=%s", v.client.Address()))
	}
	err := fmt.Errorf("%w: the token may not %s %s%s", store.ErrDenied, a.needs[0], a.path, v.inNamespace())
	return hint.Wrap(err, "its policy needs: path %q { capabilities = [%s] }", a.path, quoted(a.needs))
}

// unusable returns an error if Vault is sealed or not initialized; nil if it is neither,
// or does not answer.
func (v *Store) unusable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	status, err := sealStatus(ctx, v.client)
	if err != nil {
		return nil // the caller has an error of its own
	}
	return usable(status)
}

// unusableError is about the whole server, not about the object of the request.
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

var vaultCommand = regexp.MustCompile(`\bvault (kv undelete|kv enable-versioning|secrets enable|auth list|read|write|login)\b`)

// shellf is [secret.Shellf] for hints: their vault commands get the namespace, which the
// vault command knows only from VAULT_NAMESPACE.
func (v *Store) shellf(format string, args ...any) string {
	if ns := v.client.Namespace(); ns != "" {
		format = vaultCommand.ReplaceAllString(format, "$0 -namespace="+strings.ReplaceAll(secret.ShellWord(ns), "%", "%%"))
	}
	return secret.Shellf(format, args...)
}

func (v *Store) inNamespace() string {
	if ns := v.client.Namespace(); ns != "" {
		return " in namespace " + ns
	}
	return ""
}

// isStatus reports whether Vault itself, and not a proxy, answered with that status.
func isStatus(err error, code int) bool {
	refused, ok := errors.AsType[*api.ResponseError](err)
	return ok && refused.StatusCode == code && !refused.RawError
}

// quoted returns a list of words in quotes.
func quoted(words []string) string {
	var out []string
	for _, w := range words {
		out = append(out, strconv.Quote(w))
	}
	return strings.Join(out, ", ")
}
