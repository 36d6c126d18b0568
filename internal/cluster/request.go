package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/transport"
)

// object is what a request is about, in the words of the API's paths and of RBAC. A list
// has no name, and an object of the whole cluster no namespace.
type object struct {
	group, version, resource string
	namespace, name, sub     string
}

func coreObject(resource, namespace, name string) object {
	return object{version: "v1", resource: resource, namespace: namespace, name: name}
}

func appsObject(resource, namespace, name string) object {
	return object{group: "apps", version: "v1", resource: resource, namespace: namespace, name: name}
}

// at returns a subresource of an object.
func (o object) at(sub string) object {
	o.sub = sub
	return o
}

func (o object) path() string {
	p := []string{"/api", o.version}
	if o.group != "" {
		p = []string{"/apis", o.group, o.version}
	}
	if o.namespace != "" {
		p = append(p, "namespaces", o.namespace)
	}
	return path.Join(append(p, o.resource, url.PathEscape(o.name), o.sub)...) // a pod may name a ConfigMap ../secrets/other
}

// String names it as kubectl does: pods/aidbox-1 in namespace default. Without a resource
// it is an API: apps/v1.
func (o object) String() string {
	text := path.Join(o.resource, o.name)
	if o.resource == "" {
		text = path.Join(o.group, o.version)
	}
	if o.namespace != "" {
		text += " in namespace " + o.namespace
	}
	return text
}

// query has the parameters of a request.
type query map[string]string

func get[T any](ctx context.Context, c *Cluster, o object, q query) (T, error) {
	verb := "get"
	if o.name == "" {
		verb = "list"
	}
	return send[T](ctx, c, verb, o, c.client.Get(), q)
}

// pageSize is how many items to ask for at a time: an answer is read up to a limit.
const pageSize = "250"

// list returns the items of a list, page by page. If the next page has expired, it begins
// again without pages.
func list[T any](ctx context.Context, c *Cluster, o object, q query) (all []T, err error) {
	type page struct {
		Metadata metav1.ListMeta
		Items    []T
	}
	next := query{"limit": pageSize}
	maps.Copy(next, q)
	for {
		p, err := get[page](ctx, c, o, next)
		if errors.Is(err, errExpired) && next["continue"] != "" && next["limit"] != "" {
			all = nil
			delete(next, "continue")
			delete(next, "limit")
			continue
		}
		if err != nil {
			return nil, err
		}
		if all = append(all, p.Items...); p.Metadata.Continue == "" {
			return all, nil
		}
		next["continue"] = p.Metadata.Continue
	}
}

func create[T any](ctx context.Context, c *Cluster, o object, body any) (T, error) {
	var none T
	b, err := json.Marshal(body)
	if err != nil {
		return none, err
	}
	return send[T](ctx, c, "create", o, c.client.Post().Body(b), nil)
}

func patch[T any](ctx context.Context, c *Cluster, o object, kind types.PatchType, body []byte, q query) (T, error) {
	return send[T](ctx, c, "patch", o, c.client.Patch(kind).Body(body), q)
}

func send[T any](ctx context.Context, c *Cluster, verb string, o object, req *rest.Request, q query) (T, error) {
	var out T
	if s := c.silent.Load(); s != nil && time.Since(s.since) < silence {
		return out, s.err
	}
	req = req.AbsPath(o.path())
	for k, v := range q {
		req = req.Param(k, v)
	}
	watched, sent := watchSending(ctx)
	result := req.Do(watched)
	for try := 0; try < maxRetries && overloaded(verb, result.Error()); try++ {
		if transport.Sleep(ctx, transport.Backoff(transport.MinRetryWait, transport.MaxRetryWait, try, nil)) != nil {
			break
		}
		result = req.Do(watched)
	}
	err := result.Error() // and not Raw's, which has no Status
	switch {
	case err != nil && !sent.Load() && ctx.Err() == nil:
		return out, c.unsent(err)
	case err != nil:
		failed := c.fail(ctx, verb, o, err)
		var late net.Error
		if errors.As(err, &late) && late.Timeout() && ctx.Err() == nil {
			c.silent.Store(&silentServer{time.Now(), failed})
		}
		return out, failed
	}
	body, err := result.Raw()
	if err != nil {
		return out, c.fail(ctx, verb, o, err)
	}
	if raw, ok := any(&out).(*[]byte); ok {
		*raw = body
		return out, nil
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, hint.Wrap(fmt.Errorf("%s: unexpected response to %s", c.name, o),
			"is it the API server, or a proxy in front of it? see --kubeconfig and --context")
	}
	return out, nil
}

// maxRetries is how often to ask again. A server that does not recover holds up each check.
const maxRetries = 2

// overloaded reports whether to ask again: the API server, or a load balancer before it, may
// be starting. client-go does so only if the answer says when.
func overloaded(verb string, err error) bool {
	status, answered := errors.AsType[*apierrors.StatusError](err)
	busy := []int32{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
	return answered && (verb == "get" || verb == "list") && slices.Contains(busy, status.ErrStatus.Code)
}

// silence is how long an API server that has not answered in time is not asked again,
// so that one that hangs costs all checks one timeout, and not one each.
const silence = 3 * time.Second

type silentServer struct {
	since time.Time
	err   error
}

const loginHint = "log in to the cluster again: kubectl auth whoami says whether it worked"

// unsent restates what failed before a request was sent: the login.
func (c *Cluster) unsent(err error) error {
	if around, ok := errors.AsType[*url.Error](err); ok {
		err = around.Err
	}
	err = hint.Wrap(c.sanitizer.Err(err), loginHint)
	if p := c.config.ExecProvider; p != nil {
		if _, missing := exec.LookPath(p.Command); missing != nil {
			how := "install it, or use a kubeconfig with another login"
			if filepath.Base(p.Command) == "kubelogin" {
				how = "install it: az aks install-cli; or get a login without it: az aks get-credentials --admin"
			}
			err = hint.Wrap(fmt.Errorf("the kubeconfig logs in with %s, which is not installed", c.sanitizer.Line(p.Command)), "%s", how)
		}
	}
	return fmt.Errorf("%s: %w", c.name, err)
}

// ForbiddenError names the right that is missing, in the words of RBAC.
type ForbiddenError struct {
	Verb, Group, Resource, Namespace string // Resource may have a subresource: pods/exec
	message                          string
}

func (e *ForbiddenError) Error() string { return "forbidden: " + e.message }

// Hint says what to do.
func (e *ForbiddenError) Hint() string {
	where := "in every namespace"
	if e.Namespace != "" {
		where = "in namespace " + e.Namespace
	}
	if e.Resource == "" { // asking which APIs there are
		return "this takes the ClusterRole system:discovery, which every user has by default"
	}
	return fmt.Sprintf("this takes the verb %q on %q %s: docs/rbac.md has all that secretctl needs", e.Verb, e.Resource, where)
}

// absentError is an [fs.ErrNotExist] with its own text.
type absentError struct{ text string }

func (e absentError) Error() string        { return e.text }
func (e absentError) Is(target error) bool { return target == fs.ErrNotExist }

// invalidError is an object that the API server refuses to store. It is an [fs.ErrInvalid].
type invalidError struct{ error }

func (e invalidError) Unwrap() error        { return e.error }
func (e invalidError) Is(target error) bool { return target == fs.ErrInvalid }

// errNotServed marks an API that the cluster does not have. It is an [fs.ErrNotExist].
var errNotServed error = absentError{"the cluster does not serve this API"}

// errExpired marks a page of a list that is not kept any more.
var errExpired = errors.New("the list has expired")

// fail restates in one line why a request failed. An object that does not exist is an
// [fs.ErrNotExist].
func (c *Cluster) fail(ctx context.Context, verb string, o object, err error) error {
	status, answered := errors.AsType[*apierrors.StatusError](err)
	if !answered {
		return fmt.Errorf("%s: %w", c.name, c.unreachable(ctx, err))
	}
	if status.ErrStatus.Code == http.StatusUnauthorized { // whatever was asked for
		return fmt.Errorf("%s: %w", c.name,
			hint.Wrap(errors.New("the API server does not accept the credentials"), loginHint))
	}
	return fmt.Errorf("kubernetes: %s: %w", o, c.refusal(verb, o, status))
}

func (c *Cluster) refusal(verb string, o object, status *apierrors.StatusError) error {
	code, message := status.ErrStatus.Code, c.sanitizer.Tail(status.ErrStatus.Message)
	switch {
	case code == http.StatusForbidden:
		return &ForbiddenError{verb, o.group, strings.TrimSuffix(o.resource+"/"+o.sub, "/"), o.namespace, message}
	case code == http.StatusNotFound && apierrors.HasStatusCause(status, metav1.CauseTypeUnexpectedServerResponse):
		if o.group == secretsStoreGroup {
			return hint.Wrap(errNotServed, "the Secrets Store CSI driver brings it: secretctl install")
		}
		return errNotServed
	case code == http.StatusGone && verb == "list":
		return errExpired
	case code == http.StatusNotFound && verb == "get":
		return absentError{"not found"}
	case code == http.StatusNotFound:
		return absentError{message}
	case code == http.StatusUnprocessableEntity:
		return invalidError{transport.Answered(int(code), ": "+message)}
	}
	return transport.Answered(int(code), ": "+message)
}

// unreachable says why there was no answer.
func (c *Cluster) unreachable(ctx context.Context, err error) error {
	err = transport.Explain(ctx, err)
	if own, ok := errors.AsType[*transport.Error](err); ctx.Err() != nil || ok && own.ByProxy() {
		return err
	}
	return hint.Wrap(err, "is this the right cluster, and does it run? check with kubectl cluster-info; see --kubeconfig and --context")
}
