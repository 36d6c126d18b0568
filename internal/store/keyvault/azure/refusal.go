package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/transport"
)

// Refusal is an error response. The server chose its codes: compare them, but do not
// show them.
type Refusal struct {
	Status      int
	Code, Inner string        // "" for none
	RetryAfter  time.Duration // 0 for none
}

// Has reports whether the outer or the inner code is that code.
func (r *Refusal) Has(code string) bool { return r != nil && (r.Code == code || r.Inner == code) }

// HasStatus reports whether the response has that status.
func (r *Refusal) HasStatus(status int) bool { return r != nil && r.Status == status }

// RefusalOf returns the error response in err's chain, or nil.
func (s *Session) RefusalOf(err error) *Refusal {
	answer, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return nil
	}
	r := &Refusal{Status: answer.StatusCode, Code: answer.ErrorCode}
	if answer.RawResponse == nil {
		return r
	}
	var body struct {
		Error struct {
			Inner struct {
				Code string `json:"code"`
			} `json:"innererror"`
		} `json:"error"`
	}
	if text, err := runtime.Payload(answer.RawResponse); err == nil && json.Unmarshal(text, &body) == nil {
		r.Inner = body.Error.Inner.Code
	}
	if seconds, err := strconv.Atoi(answer.RawResponse.Header.Get("Retry-After")); err == nil {
		r.RetryAfter = time.Duration(seconds) * time.Second
	}
	return r
}

// ErrUnexpected is a response that Azure does not give.
var ErrUnexpected = errors.New("unexpected response")

// Explain restates in one line why a request failed.
func (s *Session) Explain(ctx context.Context, err error) error {
	login, isLogin := errors.AsType[*LoginError](err)
	unsent, isUnsent := errors.AsType[*url.Error](err)
	refusal := s.RefusalOf(err)
	redirect, isRedirect := errors.AsType[*transport.RedirectError](err)
	switch {
	case isRedirect:
		return redirect
	case ctx.Err() != nil && s.throttled.Load(): // the SDK waited in silence
		return fmt.Errorf("limits how many requests it takes: %w", ctx.Err())
	case ctx.Err() != nil:
		return ctx.Err()
	case isLogin:
		return login
	case refusal.HasStatus(http.StatusTooManyRequests):
		return hint.Wrap(errors.New("limits how many requests it takes, even after several retries"), "run again later")
	case refusal.HasStatus(http.StatusUnauthorized):
		return hint.Wrap(s.answered(refusal), "the login is not valid there: is it for the right tenant, and the right cloud (azure.cloud)?")
	case refusal != nil:
		return s.answered(refusal)
	case isUnsent:
		if u, err := url.Parse(unsent.URL); err == nil {
			return fmt.Errorf("%s: %w", u.Host, transport.Explain(ctx, unsent))
		}
		return transport.Explain(ctx, unsent)
	case errors.Is(err, context.DeadlineExceeded): // of this request alone
		return transport.Explain(ctx, err)
	}
	// The SDK's decoders quote what they read.
	return hint.Wrap(ErrUnexpected, "is there a proxy in between?")
}

// answered shows the status, and the more specific of the codes that looks like one.
func (s *Session) answered(r *Refusal) error {
	for _, code := range []string{r.Inner, r.Code} {
		if isCode(code) && s.Text(code) == code {
			return transport.Answered(r.Status, " "+code)
		}
	}
	return transport.Answered(r.Status, "")
}

func isCode(text string) bool {
	const allowed = "0123456789_.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	return text != "" && len(text) <= 64 && strings.Trim(text, allowed) == ""
}
