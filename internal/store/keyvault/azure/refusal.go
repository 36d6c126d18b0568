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
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

// Refusal is an answer that is no success. Its codes are as the server sent them:
// to be compared, and not to be shown.
type Refusal struct {
	Status      int
	Code, Inner string        // "" where there is none
	RetryAfter  time.Duration // 0 where it is not said
}

// Has says whether the refusal has that code, as the outer or the inner one.
func (r *Refusal) Has(code string) bool { return r != nil && (r.Code == code || r.Inner == code) }

// isCode says whether a text looks like a code of Azure's: a few letters, digits,
// dots and underscores.
func isCode(text string) bool {
	const others = "0123456789_.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	return text != "" && len(text) <= 64 && strings.Trim(text, others) == ""
}

// RefusalOf returns the refusal that err stands for, nil where it is no answer.
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

// answered restates a refusal: the status, and the most telling code that is one.
func (s *Session) answered(r *Refusal) error {
	for _, code := range []string{r.Inner, r.Code} {
		if isCode(code) && s.Text(code) == code {
			return transport.Answered(r.Status, " "+code)
		}
	}
	return transport.Answered(r.Status, "")
}

// Learn adds values that nothing from a server may repeat from now on.
func (s *Session) Learn(values ...secret.Value) { s.sanitizer.Learn(values...) }

// Text returns a short text of a server's, such as a tag, fit to be shown: without
// private values, on one line.
func (s *Session) Text(text string) string { return s.sanitizer.Line(text) }

// ended returns ctx.Err(), with what was waited for where that was Azure's wish.
func (s *Session) ended(ctx context.Context) error {
	if s.limited.Load() {
		return fmt.Errorf("limits how many requests it takes: %w", ctx.Err())
	}
	return ctx.Err()
}

// ErrUnexpected is an answer that no Azure gives.
var ErrUnexpected = errors.New("unexpected response")

// Explain restates in one line why a request did not work. Of most refusals the
// caller knows more.
func (s *Session) Explain(ctx context.Context, err error) error {
	login, isLogin := errors.AsType[*LoginError](err)
	unsent, isUnsent := errors.AsType[*url.Error](err)
	refusal := s.RefusalOf(err)
	switch {
	case ctx.Err() != nil:
		return s.ended(ctx)
	case isLogin:
		return login
	case refusal != nil && refusal.Status == http.StatusTooManyRequests:
		return hint.Wrap(errors.New("limits how many requests it takes, and still does after some tries"), "run again later; what was done stays done")
	case refusal != nil && refusal.Status == http.StatusUnauthorized:
		return hint.Wrap(s.answered(refusal), "the login is not valid there: is it of the right tenant, and of the right cloud (azure.cloud)?")
	case refusal != nil:
		return s.answered(refusal)
	case isUnsent:
		if u, err := url.Parse(unsent.URL); err == nil {
			return fmt.Errorf("%s: %w", u.Host, transport.Explain(ctx, unsent))
		}
		return transport.Explain(ctx, unsent)
	case errors.Is(err, context.DeadlineExceeded): // of the one request
		return transport.Explain(ctx, err)
	}
	// The SDK's decoders quote what they have read.
	return hint.Wrap(ErrUnexpected, "is there a proxy in between?")
}
