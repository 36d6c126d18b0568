package kubernetes_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/secretctl/secretctl/test/sandboxtest"
)

func TestKubernetesReviewsItsOwnTokens(t *testing.T) {
	const reviews, clusterAudience = "/apis/authentication.k8s.io/v1/tokenreviews", "https://kubernetes.default.svc.cluster.local"
	k, other := sandboxtest.StartKubernetes(t), sandboxtest.StartKubernetes(t)
	token := func(c interface {
		Token(namespace, account string, audiences ...string) (string, error)
	}, audiences ...string,
	) string {
		t.Helper()
		token, err := c.Token("default", "aidbox", audiences...)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	mine := token(k)
	for _, c := range []struct {
		name, bearer, token string
		audiences           []string
		status              int
		authenticated       bool
		wantAudiences       []string
	}{
		{"for the API server", mine, mine, nil, http.StatusCreated, true, []string{clusterAudience}},
		{"for Vault", mine, token(k, "vault", "else"), []string{"vault", "third"}, http.StatusCreated, true, []string{"vault"}},
		{"for another audience", mine, mine, []string{"vault"}, http.StatusCreated, false, nil},
		{"for Vault, but asked for the API server", mine, token(k, "vault"), nil, http.StatusCreated, false, nil},
		{"of another cluster", mine, token(other), nil, http.StatusCreated, false, nil},
		{"changed", mine, mine[:len(mine)-8] + "AAAAAAAA", nil, http.StatusCreated, false, nil},
		{"no token at all", mine, "x", nil, http.StatusCreated, false, nil},
		{"asked by nobody", "", mine, nil, http.StatusUnauthorized, false, nil},
		{"asked by another cluster", token(other), mine, nil, http.StatusUnauthorized, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, err := json.Marshal(authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: c.token, Audiences: c.audiences}})
			if err != nil {
				t.Fatal(err)
			}
			status, content := sandboxtest.Send(t, http.MethodPost, k.URL+reviews, string(body), http.Header{"Authorization": {"Bearer " + c.bearer}})
			var review authenticationv1.TokenReview
			if status == http.StatusCreated {
				if err := json.Unmarshal(content, &review); err != nil {
					t.Fatal(err)
				}
			}
			got := review.Status
			if status != c.status || got.Authenticated != c.authenticated {
				t.Errorf("%d %s", status, content)
			}
			if diff := cmp.Diff(c.wantAudiences, got.Audiences); diff != "" {
				t.Errorf("audiences (-want +got):\n%s", diff)
			}
			if c.authenticated && got.User.Username != "system:serviceaccount:default:aidbox" {
				t.Errorf("user %q", got.User.Username)
			}
			if !c.authenticated && status == http.StatusCreated && got.Error == "" {
				t.Error("no reason given")
			}
		})
	}
}
