// Package kubernetes stands in for the part of an API server by which Vault authenticates
// a pod.
package kubernetes

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

const (
	// TokenReviewPath is where the cluster reviews a token.
	TokenReviewPath = "/apis/authentication.k8s.io/v1/tokenreviews"

	// clusterIssuer signs the tokens, and is the audience of those that are for
	// the API server itself.
	clusterIssuer = "https://kubernetes.default.svc.cluster.local"
	tokenLife     = time.Hour
)

// Server issues ServiceAccount tokens and reviews them. Whoever has one may request a
// review, for which a real cluster requires the role system:auth-delegator.
type Server struct {
	URL string // what Vault needs as kubernetes_host

	server *loopback.Server
	key    *ecdsa.PrivateKey
}

// Start starts a server with a new signing key.
func Start() (*Server, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	k := &Server{key: key}
	if k.server, err = loopback.Listen(loopback.FreePort, k.serve, nil); err != nil {
		return nil, err
	}
	k.URL = k.server.URL
	return k, nil
}

// Close stops the server.
func (k *Server) Close() { k.server.Close() }

// Claims are those of a ServiceAccount token.
type Claims struct {
	jwt.Claims

	Audience   []string `json:"aud"` // a list even of one, which jwt.Claims would write as a text
	Kubernetes struct {
		Namespace      string `json:"namespace"`
		ServiceAccount struct {
			Name string `json:"name"`
			UID  string `json:"uid"`
		} `json:"serviceaccount"`
	} `json:"kubernetes.io"`
}

// Token issues a token of a ServiceAccount that is valid for an hour, and for the
// audiences; without any, for the API server.
func (k *Server) Token(namespace, serviceAccount string, audiences ...string) (string, error) {
	if len(audiences) == 0 {
		audiences = []string{clusterIssuer}
	}
	now := time.Now()
	claims := Claims{Audience: audiences, Claims: jwt.Claims{
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(tokenLife)),
		Issuer: clusterIssuer, Subject: "system:serviceaccount:" + namespace + ":" + serviceAccount,
	}}
	claims.Kubernetes.Namespace = namespace
	claims.Kubernetes.ServiceAccount.Name = serviceAccount
	claims.Kubernetes.ServiceAccount.UID = fmt.Sprintf("%x", sha256.Sum256([]byte(claims.Subject)))[:32] // the same in each of its tokens
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.key}, nil)
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// ReadToken reads the claims of a token without checking who signed it.
func ReadToken(token string) (claims Claims, err error) {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, signed := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || !signed {
		return claims, errors.New("not a JSON web token")
	}
	return claims, json.Unmarshal(text, &claims)
}

// check returns the claims of a token that this cluster signed and that has not
// expired.
func (k *Server) check(token string) (claims Claims, err error) {
	signed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err == nil {
		err = signed.Claims(&k.key.PublicKey, &claims)
	}
	if err == nil {
		err = claims.Validate(jwt.Expected{Time: time.Now()})
	}
	return claims, err
}

func (k *Server) serve(w http.ResponseWriter, r *http.Request) {
	if _, err := k.check(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")); err != nil {
		loopback.WriteJSON(w, http.StatusUnauthorized, apierrors.NewUnauthorized("Unauthorized").Status())
		return
	}
	var review authenticationv1.TokenReview
	if r.URL.Path != TokenReviewPath || json.NewDecoder(http.MaxBytesReader(w, r.Body, loopback.MaxRequest)).Decode(&review) != nil {
		loopback.WriteJSON(w, http.StatusNotFound, apierrors.NewGenericServerResponse(http.StatusNotFound, r.Method, schema.GroupResource{}, r.URL.Path, "", 0, false).Status())
		return
	}
	review.TypeMeta = metav1.TypeMeta{Kind: "TokenReview", APIVersion: "authentication.k8s.io/v1"}
	review.Status = k.review(review.Spec)
	loopback.WriteJSON(w, http.StatusCreated, review)
}

// review says whether a token is valid for one of the audiences; without any, for the API
// server.
func (k *Server) review(spec authenticationv1.TokenReviewSpec) authenticationv1.TokenReviewStatus {
	wanted := spec.Audiences
	if len(wanted) == 0 {
		wanted = []string{clusterIssuer}
	}
	claims, err := k.check(spec.Token)
	common := slices.DeleteFunc(slices.Clone(wanted), func(a string) bool { return !slices.Contains(claims.Audience, a) })
	if err == nil && len(common) == 0 {
		err = fmt.Errorf("token audiences %q is invalid for the target audiences %q", claims.Audience, wanted)
	}
	if err != nil {
		return authenticationv1.TokenReviewStatus{Error: err.Error()}
	}
	return authenticationv1.TokenReviewStatus{
		Authenticated: true, Audiences: common,
		User: authenticationv1.UserInfo{Username: claims.Subject, UID: claims.Kubernetes.ServiceAccount.UID},
	}
}
