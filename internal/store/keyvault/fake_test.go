package keyvault_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	vaultfake "github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets/fake"
)

// fakeVault is what the SDK's fake calls.
type fakeVault struct {
	mu      sync.Mutex
	secrets map[string]*fakeSecret
	minted  int
}

type fakeSecret struct {
	versions []*azsecrets.Secret
	deleted  bool
}

func newFakeVault() *fakeVault { return &fakeVault{secrets: map[string]*fakeSecret{}} }

// refused is an error of the fake, which knows no inner codes.
func refused(status int, code string) (e azfake.ErrorResponder) {
	e.SetResponseError(status, code)
	return e
}

func (v *fakeVault) last(name string) (*azsecrets.Secret, bool) {
	s := v.secrets[name]
	if s == nil || s.deleted {
		return nil, false
	}
	return s.versions[len(s.versions)-1], true
}

func (v *fakeVault) server() *vaultfake.Server {
	return &vaultfake.Server{
		GetSecret: v.get, SetSecret: v.set, UpdateSecretProperties: v.update, DeleteSecret: v.delete,
		GetDeletedSecret: v.getDeleted, RecoverDeletedSecret: v.recover, NewListSecretPropertiesVersionsPager: v.versions,
	}
}

func (v *fakeVault) get(_ context.Context, name, version string, _ *azsecrets.GetSecretOptions) (resp azfake.Responder[azsecrets.GetSecretResponse], e azfake.ErrorResponder) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s, found := v.last(name)
	if found && version != "" {
		of := v.secrets[name].versions
		i := slices.IndexFunc(of, func(s *azsecrets.Secret) bool { return s.ID.Version() == version })
		if found = i >= 0; found {
			s = of[i]
		}
	}
	switch {
	case !found:
		return resp, refused(http.StatusNotFound, "SecretNotFound")
	case !*s.Attributes.Enabled:
		return resp, refused(http.StatusForbidden, "SecretDisabled")
	}
	resp.SetResponse(http.StatusOK, azsecrets.GetSecretResponse{Secret: *s}, nil)
	return resp, e
}

func (v *fakeVault) set(_ context.Context, name string, p azsecrets.SetSecretParameters, _ *azsecrets.SetSecretOptions) (resp azfake.Responder[azsecrets.SetSecretResponse], e azfake.ErrorResponder) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.secrets[name]
	if s != nil && s.deleted {
		return resp, refused(http.StatusConflict, "ObjectIsDeletedButRecoverable")
	}
	if s == nil {
		s = &fakeSecret{}
		v.secrets[name] = s
	}
	v.minted++
	now := time.Now().Truncate(time.Second)
	made := &azsecrets.Secret{
		ID: to.Ptr(azsecrets.ID(fmt.Sprintf("https://%s.vault.azure.net/secrets/%s/%032d", vaultName, name, v.minted))), Value: p.Value,
		ContentType: p.ContentType, Tags: p.Tags, Attributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(true), Created: &now},
	}
	if p.SecretAttributes != nil {
		made.Attributes.Expires = p.SecretAttributes.Expires
	}
	s.versions = append(s.versions, made)
	resp.SetResponse(http.StatusOK, azsecrets.SetSecretResponse{Secret: *made}, nil)
	return resp, e
}

func (v *fakeVault) update(_ context.Context, name, _ string, p azsecrets.UpdateSecretPropertiesParameters, _ *azsecrets.UpdateSecretPropertiesOptions) (resp azfake.Responder[azsecrets.UpdateSecretPropertiesResponse], e azfake.ErrorResponder) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s, found := v.last(name)
	if !found {
		return resp, refused(http.StatusNotFound, "SecretNotFound")
	}
	if p.ContentType != nil {
		s.ContentType = p.ContentType
	}
	if p.Tags != nil {
		s.Tags = p.Tags
	}
	if p.SecretAttributes != nil {
		if p.SecretAttributes.Enabled != nil {
			s.Attributes.Enabled = p.SecretAttributes.Enabled
		}
		if p.SecretAttributes.Expires != nil {
			s.Attributes.Expires = p.SecretAttributes.Expires
		}
	}
	resp.SetResponse(http.StatusOK, azsecrets.UpdateSecretPropertiesResponse{Secret: azsecrets.Secret{ID: s.ID}}, nil)
	return resp, e
}

func (v *fakeVault) delete(_ context.Context, name string, _ *azsecrets.DeleteSecretOptions) (resp azfake.Responder[azsecrets.DeleteSecretResponse], e azfake.ErrorResponder) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, found := v.last(name); !found {
		return resp, refused(http.StatusNotFound, "SecretNotFound")
	}
	v.secrets[name].deleted = true
	resp.SetResponse(http.StatusOK, azsecrets.DeleteSecretResponse{}, nil)
	return resp, e
}

func (v *fakeVault) getDeleted(_ context.Context, name string, _ *azsecrets.GetDeletedSecretOptions) (resp azfake.Responder[azsecrets.GetDeletedSecretResponse], e azfake.ErrorResponder) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.secrets[name]
	if s == nil || !s.deleted {
		return resp, refused(http.StatusNotFound, "SecretNotFound")
	}
	last := s.versions[len(s.versions)-1]
	resp.SetResponse(http.StatusOK, azsecrets.GetDeletedSecretResponse{DeletedSecret: azsecrets.DeletedSecret{ID: last.ID, Tags: last.Tags}}, nil)
	return resp, e
}

func (v *fakeVault) recover(_ context.Context, name string, _ *azsecrets.RecoverDeletedSecretOptions) (resp azfake.Responder[azsecrets.RecoverDeletedSecretResponse], e azfake.ErrorResponder) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.secrets[name]
	if s == nil || !s.deleted {
		return resp, refused(http.StatusNotFound, "SecretNotFound")
	}
	s.deleted = false
	resp.SetResponse(http.StatusOK, azsecrets.RecoverDeletedSecretResponse{}, nil)
	return resp, e
}

func (v *fakeVault) versions(name string, _ *azsecrets.ListSecretPropertiesVersionsOptions) (resp azfake.PagerResponder[azsecrets.ListSecretPropertiesVersionsResponse]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var page azsecrets.ListSecretPropertiesVersionsResponse
	if s := v.secrets[name]; s != nil {
		for _, version := range s.versions {
			page.Value = append(page.Value, &azsecrets.SecretProperties{ID: version.ID, Attributes: version.Attributes})
		}
	}
	resp.AddPage(http.StatusOK, page, nil)
	return resp
}
