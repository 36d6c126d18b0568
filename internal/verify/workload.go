package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
)

const (
	// checksumAnnotation is what secretctl render puts on the pods, so that they are
	// made anew for another vault config.
	checksumAnnotation = "secretctl.dev/vault-config-checksum"
	clientIDAnnotation = "azure.workload.identity/client-id"

	renderHint = "secretctl render | kubectl apply -f -"
)

// workloadChecks ask the cluster whether what the delivery needs is there.
func workloadChecks(s *site) []check {
	if s == nil {
		return nil
	}
	account := "serviceaccount/" + s.d.Aidbox.ServiceAccount
	configMap := "configmap/" + s.d.ConfigMapName()
	checks := []check{{"workload/service-account", account, nil, s.serviceAccount}}
	for _, c := range classesOf(s.d) {
		checks = append(checks, check{"workload/secret-provider-class", "secretproviderclass/" + c.name, nil, func(ctx context.Context) Result { return s.class(ctx, c) }})
	}
	return append(
		checks,
		check{"workload/vault-config", configMap, nil, s.vaultConfig},
		check{"workload/deployment", s.deployment(), nil, s.running},
		check{"workload/no-subpath", s.deployment(), nil, s.noSubPath},
	)
}

// world returns the world with the mounts of the pods in it.
func (s *site) world(w Dependencies) Dependencies {
	if s != nil {
		w.Mounts = s.mounts()
	}
	return w
}

// noWorkload says why the Deployment cannot be looked at, or ok.
func (s *site) noWorkload() (r Result, ok bool) {
	switch {
	case errors.Is(s.err, fs.ErrNotExist):
		return Fail("there is no Deployment %s in namespace %s", s.d.Aidbox.Deployment, s.d.Namespace).
			WithHint("%s; or set aidbox.deployment, namespace and --context to where Aidbox runs", renderHint), false
	case s.err != nil:
		return s.vs.unknown(s.err), false
	}
	return Result{}, true
}

func (s *site) serviceAccount(ctx context.Context) Result {
	want := s.d.Aidbox.ServiceAccount
	annotations, err := s.c.ServiceAccount(ctx, s.d.Namespace, want)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("not in namespace %s: no pod can start with it", s.d.Namespace).WithHint("%s", renderHint)
	case err != nil:
		return s.vs.unknown(err)
	}
	if azure := s.d.Azure; azure != nil && azure.Identity.Type == config.IdentityWorkload && azure.Identity.ClientID != "" && annotations[clientIDAnnotation] != azure.Identity.ClientID {
		return Fail("its annotation %s is %q, and not the client id of the config", clientIDAnnotation, s.vs.clean.Line(annotations[clientIDAnnotation])).WithHint("%s", renderHint)
	}
	if s.err == nil && s.workload.Template.ServiceAccount != want {
		return Fail("is there, but Deployment %s runs its pods as %s", s.d.Aidbox.Deployment, s.workload.Template.ServiceAccount).
			WithHint("the store lets in %s alone: set serviceAccountName in the Deployment, or aidbox.serviceAccount in the config and run secretctl provision", want)
	}
	return Pass("in namespace %s, and the pods run as it", s.d.Namespace)
}

// vaultConfig looks at the ConfigMap, and at whether the pods were made for what
// it says.
func (s *site) vaultConfig(ctx context.Context) Result {
	data, err := s.c.ConfigMap(ctx, s.d.Namespace, s.d.ConfigMapName())
	text, has := data[config.VaultConfigKey]
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("not in namespace %s", s.d.Namespace).WithHint("%s", renderHint)
	case err != nil:
		return s.vs.unknown(err)
	case !has:
		return Fail("has no key %s", config.VaultConfigKey).WithHint("%s", renderHint)
	}
	r := compareVaultConfig([]byte(text), s.d, s.vs)
	if r.Status == StatusFail || s.err != nil {
		return r
	}
	sum := sha256.Sum256(s.d.VaultConfig())
	switch got := s.workload.PodAnnotations[checksumAnnotation]; {
	case got == "" && s.d.Aidbox.ScopeFormat == config.ScopeObject:
		return Warn("%s; but the pods have no annotation %s, so a change does not roll them", r.Detail, checksumAnnotation).
			WithHint("in the object dialect Aidbox reads the file once: apply what secretctl render writes")
	case got == "":
		r.Detail += fmt.Sprintf("; the pods have no annotation %s", checksumAnnotation)
	case got != hex.EncodeToString(sum[:]):
		return Fail("%s; but the pods were made for another one, as their annotation %s says", r.Detail, checksumAnnotation).WithHint("%s", renderHint)
	case slices.ContainsFunc(s.replicas(), func(p cluster.Pod) bool { return !p.Current }):
		return Warn("%s; the pods are being made anew for it", r.Detail).WithHint("kubectl rollout status -n %s %s", s.d.Namespace, s.deployment())
	default:
		r.Detail += ", and the pods are made for it"
	}
	return r
}

// running says whether every replica runs, and what keeps one from it.
func (s *site) running(ctx context.Context) Result {
	if r, ok := s.noWorkload(); !ok {
		return r
	}
	w, rollout := s.workload, fmt.Sprintf("kubectl rollout status -n %s %s", s.d.Namespace, s.deployment())
	if w.Desired == 0 {
		return Fail("has 0 replicas, so nothing runs").WithHint("kubectl scale -n %s %s --replicas=1", s.d.Namespace, s.deployment())
	}
	var others []cluster.Pod // of an earlier template, or going away
	for _, p := range w.Pods {
		container := p.Status(s.aidboxIn(p.Spec).Name)
		switch {
		case p.Terminating || !p.Current:
			others = append(others, p)
		case p.Phase == "Pending":
			return s.pending(ctx, p)
		case p.Phase == "Running" && !container.Running:
			return Fail("pod/%s: container %s does not run: %s; %s", p.Name, container.Name, orWord(container.Reason, "no reason given"), s.ready()).
				WithHint("kubectl logs -n %s %s -c %s --previous", p.Namespace, p.Name, container.Name)
		}
	}
	switch {
	case len(w.Problems) > 0:
		return Fail("%s: %s", s.ready(), s.vs.clean.Line(strings.Join(w.Problems, "; "))).WithHint("kubectl describe -n %s %s", s.d.Namespace, s.deployment())
	case !w.Observed:
		return Unknown("%s, but the latest change is not taken in yet", s.ready()).WithHint("%s", rollout)
	case len(s.replicas()) == 0:
		return Fail("has no pods").WithHint("kubectl describe -n %s %s", s.d.Namespace, s.deployment())
	case w.Ready < w.Desired:
		return Fail("%s", s.ready()).WithHint("kubectl describe -n %s %s", s.d.Namespace, s.deployment())
	case len(others) > 0:
		return Warn("%s; a rollout is under way: pod/%s is going away or of an earlier template", s.ready(), others[0].Name).WithHint("%s", rollout)
	}
	return Pass("%s, of the current template", s.ready())
}

func (s *site) ready() string {
	return fmt.Sprintf("%d of %d replicas ready", s.workload.Ready, s.workload.Desired)
}

// pending says why a pod does not start. The events alone tell; what to do follows
// from what the cluster and the store have, and not from their words.
func (s *site) pending(ctx context.Context, p cluster.Pod) Result {
	what := fmt.Sprintf("pod/%s is Pending", p.Name)
	if reason := p.Status(s.aidboxIn(p.Spec).Name).Reason; reason != "" {
		what += " (" + reason + ")"
	}
	s.vs.readAll(ctx, s.d) // an event repeats what the store said
	events, err := s.c.Events(ctx, p.Namespace, "Pod", p.Name)
	if err != nil {
		what += "; its events cannot be read: " + s.vs.clean.Line(err.Error())
	}
	if e, ok := worst(events); ok {
		what += fmt.Sprintf("; event %s: %s", e.Reason, s.vs.clean.Line(cause(e.Message)))
	}
	hop, next := s.firstHop(ctx, p)
	if hop != "" {
		what += "; " + hop
	}
	if next == "" {
		next = fmt.Sprintf("kubectl describe pod -n %s %s", p.Namespace, p.Name)
	}
	return Fail("%s", what).WithHint("%s", next)
}

// worst picks the event that tells most: the newest warning of a mount, or else
// the newest warning.
func worst(events []cluster.Event) (cluster.Event, bool) {
	for _, wanted := range []string{"FailedMount", ""} {
		for _, e := range events {
			if e.Warning && (wanted == "" || e.Reason == wanted) {
				return e, true
			}
		}
	}
	return cluster.Event{}, false
}

// cause leaves of a message its end: kubelet, driver and provider each put their
// own words before those of the one that they asked. Of Vault's answer it leaves the
// code too, which may be all that there is.
func cause(message string) string {
	for _, before := range []string{"desc = ", "err: "} {
		if i := strings.LastIndex(message, before); i >= 0 && i+len(before) < len(message) {
			message = message[i+len(before):]
		}
	}
	if i := strings.LastIndex(message, "Code: "); i >= 0 {
		message = message[i:]
	}
	return message
}

// noSubPath looks at the template and at the pods: a file that is mounted by
// itself keeps its first content for good.
func (s *site) noSubPath(context.Context) Result {
	if r, ok := s.noWorkload(); !ok {
		return r
	}
	specs := map[string]cluster.Spec{"the template": s.workload.Template}
	order := []string{"the template"}
	for _, p := range s.replicas() {
		order = append(order, "pod/"+p.Name)
		specs["pod/"+p.Name] = p.Spec
	}
	var stale, frozen []string
	for _, where := range order {
		for _, c := range specs[where].Containers {
			for _, m := range c.Mounts {
				what := fmt.Sprintf("%s mounts %s of %s at %s", where, m.SubPath, m.Volume.Name, m.Path)
				switch {
				case m.SubPath == "":
				case m.Volume.SecretProviderClass != "":
					stale = append(stale, what)
				case m.Volume.ConfigMap == s.d.ConfigMapName():
					frozen = append(frozen, what)
				}
			}
		}
	}
	const cure = "mount the folder as a whole, without subPath: secretctl render writes it so"
	switch {
	case len(stale) > 0:
		return Fail("%s, which keeps its first value for ever", s.vs.clean.Line(strings.Join(stale, "; "))).WithHint(cure)
	case len(frozen) > 0:
		return Warn("%s, so a changed vault config needs new pods", s.vs.clean.Line(strings.Join(frozen, "; "))).WithHint(cure)
	}
	return Pass("in the template and in %s", count(len(order)-1, "pod"))
}
