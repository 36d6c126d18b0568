package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	authv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"
)

const tokenSeconds = 900 // how long a requested token of a pod lives

type provider struct {
	v1alpha1.UnimplementedCSIDriverProviderServer

	kube    corev1.CoreV1Interface
	hmacKey []byte
}

func (p *provider) Version(context.Context, *v1alpha1.VersionRequest) (*v1alpha1.VersionResponse, error) {
	return &v1alpha1.VersionResponse{Version: "v1alpha1", RuntimeName: "vaultprovider", RuntimeVersion: "0.0.0"}, nil
}

// Mount answers with the files of one pod.
func (p *provider) Mount(ctx context.Context, req *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
	start := time.Now()
	params, objects, err := parse(req.GetAttributes())
	var mode fs.FileMode
	if err == nil {
		err = json.Unmarshal([]byte(req.GetPermission()), &mode)
	}
	var res *v1alpha1.MountResponse
	if err != nil {
		err = status.Errorf(codes.InvalidArgument, "SecretProviderClass: %v", err)
	} else {
		res, err = p.mount(ctx, params, objects, mode)
	}
	slog.Info("mount", "pod", params.PodNamespace+"/"+params.Pod, "role", params.Role, "objects", len(objects),
		"took", time.Since(start).Round(time.Millisecond), "error", err)
	return res, err
}

// mount logs in, reads each path once, and makes the files.
func (p *provider) mount(ctx context.Context, params parameters, objects []object, mode fs.FileMode) (*v1alpha1.MountResponse, error) {
	jwt, err := p.token(ctx, params)
	if err != nil {
		return nil, err
	}
	client, err := newVault(params)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "SecretProviderClass: %v", err)
	}
	if err := client.login(ctx, params, jwt); err != nil {
		return nil, err
	}
	answers := map[string]*answer{}
	res := &v1alpha1.MountResponse{}
	for _, o := range objects {
		if answers[o.Path] == nil {
			if answers[o.Path], err = client.read(ctx, o); err != nil {
				return nil, err
			}
		}
		content, found := answers[o.Path].content(o.Key)
		if !found {
			return nil, status.Errorf(codes.NotFound, "object %q: key %q does not exist at %s", o.Name, o.Key, o.Path)
		}
		m := mode
		if o.Permission != 0 {
			m = o.Permission
		}
		res.Files = append(res.Files, &v1alpha1.File{Path: o.Name, Mode: int32(m), Contents: content})
		res.ObjectVersion = append(res.ObjectVersion, &v1alpha1.ObjectVersion{Id: o.Name, Version: p.version(o, content)})
	}
	return res, nil
}

// version tells contents apart and does not give them away.
func (p *provider) version(o object, content []byte) string {
	h := hmac.New(sha256.New, p.hmacKey)
	h.Write(fmt.Appendf(nil, "%q", []string{o.Name, o.Path, o.Key}))
	h.Write(content)
	return base64.URLEncoding.EncodeToString(h.Sum(nil))
}

// token returns the kubelet's token of the pod, or requests one that ends with
// the pod, for the API server's own audience where none is named.
func (p *provider) token(ctx context.Context, params parameters) (string, error) {
	token, err := params.kubeletToken()
	if err != nil {
		return "", status.Error(codes.InvalidArgument, err.Error())
	}
	if token != "" {
		return token, nil
	}
	spec := authv1.TokenRequestSpec{
		ExpirationSeconds: new(int64(tokenSeconds)),
		BoundObjectRef:    &authv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: params.Pod, UID: types.UID(params.PodUID)},
	}
	if params.Audience != "" {
		spec.Audiences = []string{params.Audience}
	}
	t, err := p.kube.ServiceAccounts(params.PodNamespace).CreateToken(ctx, params.ServiceAccount, &authv1.TokenRequest{Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		return "", status.Errorf(codes.PermissionDenied, "no token of ServiceAccount %s/%s: %v", params.PodNamespace, params.ServiceAccount, err)
	}
	return t.Status.Token, nil
}
