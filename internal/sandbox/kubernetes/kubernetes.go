// Package kubernetes stands in for the part of an API server that mints and
// reviews ServiceAccount tokens.
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
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

const (
	TokenReviewPath = "/apis/authentication.k8s.io/v1/tokenreviews"

	// clusterIssuer signs the tokens, and is the audience of those that are for
	// the API server itself.
	clusterIssuer = "https://kubernetes.default.svc.cluster.local"
	tokenLife     = time.Hour
)

// Server stands in for the part of an API server that lets Vault trust a
// pod: it mints ServiceAccount tokens and reviews them. Any token of its own may
// ask for a review; a real cluster grants that with the role
// system:auth-delegator.
type Server struct {
	URL string // what Vault needs as kubernetes_host

	server *loopback.Server
	key    *ecdsa.PrivateKey

	mu   sync.Mutex
	uids map[string]string // of the ServiceAccounts, by namespace/name
}

// Start starts it with a signing key of its own.
func Start() (*Server, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	k := &Server{key: key, uids: map[string]string{}}
	server, err := loopback.Listen(k.serve)
	if err != nil {
		return nil, err
	}
	k.server, k.URL = server, server.URL
	return k, nil
}

// Close stops the server.
func (k *Server) Close() { k.server.Close() }

// Claims is what a ServiceAccount token says.
type Claims struct {
	Audience   []string         `json:"aud"`
	Expires    int64            `json:"exp"`
	IssuedAt   int64            `json:"iat"`
	Issuer     string           `json:"iss"`
	ID         string           `json:"jti"`
	Kubernetes kubernetesClaims `json:"kubernetes.io"`
	NotBefore  int64            `json:"nbf"`
	Subject    string           `json:"sub"`
}

type kubernetesClaims struct {
	Namespace      string `json:"namespace"`
	ServiceAccount struct {
		Name string `json:"name"`
		UID  string `json:"uid"`
	} `json:"serviceaccount"`
}

// Token mints a token for a ServiceAccount, which is made at its first token. It
// is good for an hour and for the audiences, without any for the API server.
func (k *Server) Token(namespace, serviceAccount string, audiences ...string) (string, error) {
	if len(audiences) == 0 {
		audiences = []string{clusterIssuer}
	}
	now := time.Now()
	claims := Claims{
		Audience: audiences, Expires: now.Add(tokenLife).Unix(), IssuedAt: now.Unix(), NotBefore: now.Unix(),
		Issuer: clusterIssuer, ID: loopback.UUID(), Subject: "system:serviceaccount:" + namespace + ":" + serviceAccount,
	}
	claims.Kubernetes.Namespace = namespace
	claims.Kubernetes.ServiceAccount.Name = serviceAccount
	claims.Kubernetes.ServiceAccount.UID = k.uid(namespace + "/" + serviceAccount)
	return k.sign(claims)
}

func (k *Server) uid(account string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.uids[account] == "" {
		k.uids[account] = loopback.UUID()
	}
	return k.uids[account]
}

// sign makes a JSON web token with ES256.
func (k *Server) sign(claims Claims) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, k.key, digest[:])
	if err != nil {
		return "", err
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// ReadToken reads the claims of a token without checking who signed it.
func ReadToken(token string) (Claims, error) {
	var claims Claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims, errors.New("not a JSON web token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return claims, errors.New("not a JSON web token")
	}
	return claims, json.Unmarshal(payload, &claims)
}

// check returns the claims of a token that this cluster signed and that is
// still good.
func (k *Server) check(token string) (Claims, error) {
	claims, err := ReadToken(token)
	if err != nil {
		return claims, err
	}
	signed, encoded, _ := cutLast(token, ".")
	signature, err := base64.RawURLEncoding.DecodeString(encoded)
	digest := sha256.Sum256([]byte(signed))
	if err != nil || len(signature) != 64 ||
		!ecdsa.Verify(&k.key.PublicKey, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return claims, errors.New("invalid bearer token")
	}
	if time.Now().After(time.Unix(claims.Expires, 0)) {
		return claims, errors.New("service account token has expired")
	}
	return claims, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	at := strings.LastIndex(s, sep)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+len(sep):], true
}

func (k *Server) serve(w http.ResponseWriter, r *http.Request) {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if _, err := k.check(bearer); err != nil {
		k.refuse(w, http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "Unauthorized")
		return
	}
	if r.URL.Path != TokenReviewPath || r.Method != http.MethodPost {
		k.refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, "the server could not find the requested resource")
		return
	}
	var review authenticationv1.TokenReview
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&review); err != nil {
		k.refuse(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, "the object provided is unrecognized")
		return
	}
	review.TypeMeta = metav1.TypeMeta{Kind: "TokenReview", APIVersion: "authentication.k8s.io/v1"}
	review.Status = k.review(review.Spec)
	loopback.WriteJSON(w, http.StatusCreated, review)
}

// review says whether a token is good for one of the audiences, or without any
// for the API server.
func (k *Server) review(spec authenticationv1.TokenReviewSpec) authenticationv1.TokenReviewStatus {
	wanted := spec.Audiences
	if len(wanted) == 0 {
		wanted = []string{clusterIssuer}
	}
	claims, err := k.check(spec.Token)
	if err != nil {
		return authenticationv1.TokenReviewStatus{Error: err.Error()}
	}
	common := slices.DeleteFunc(slices.Clone(wanted), func(a string) bool { return !slices.Contains(claims.Audience, a) })
	if len(common) == 0 {
		return authenticationv1.TokenReviewStatus{Error: fmt.Sprintf("token audiences %q is invalid for the target audiences %q", claims.Audience, wanted)}
	}
	return authenticationv1.TokenReviewStatus{
		Authenticated: true,
		Audiences:     common,
		User: authenticationv1.UserInfo{
			Username: claims.Subject,
			UID:      claims.Kubernetes.ServiceAccount.UID,
			Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + claims.Kubernetes.Namespace, "system:authenticated"},
		},
	}
}

func (k *Server) refuse(w http.ResponseWriter, code int32, reason metav1.StatusReason, message string) {
	loopback.WriteJSON(w, int(code), metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Reason: reason, Message: message, Code: code,
	})
}
