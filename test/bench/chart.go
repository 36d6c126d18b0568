package main

import "regexp"

// A chart that renders what secretctl does from the names and scopes of the secrets.
const (
	chartConfig = `{{define "config"}}{"secret": {
{{- range $i, $s := .Values.secrets}}{{if $i}},{{end}}
  {{toJson $s.name}}: {"path":{{printf "/run/vault-secrets/%s" $s.name | toJson}},"scope":{{toJson $s.scope}}}
{{- end}}
}}
{{end}}`

	chartMeta = `
  namespace: default
  labels:
    app.kubernetes.io/name: aidbox
    app.kubernetes.io/instance: aidbox
    app.kubernetes.io/managed-by: secretctl
`

	chartConfigMap = `apiVersion: v1
kind: ConfigMap
metadata:
  name: aidbox-vault-config` + chartMeta + `data:
  vault-config.json: |
{{include "config" . | indent 4}}
`

	chartClass = `apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata:
  name: aidbox-vault-secrets` + chartMeta + `spec:
  provider: vault
  parameters:
    roleName: aidbox
    vaultAddress: http://vault.default:8200
    vaultKubernetesMountPath: kubernetes
    objects: |
{{- range .Values.secrets}}
      - objectName: {{quote .name}}
        secretPath: {{printf "secret/data/aidbox/%s" .name | quote}}
        secretKey: {{quote .name}}
{{- end}}
`
)

var checksum = regexp.MustCompile(`(vault-config-checksum: )"[0-9a-f]+"`)
