{{/* The labels of everything here; give the component. */}}
{{- define "commonweal.labels" -}}
app.kubernetes.io/managed-by: commonweal
app.kubernetes.io/part-of: commonweal
{{- with . }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* Who issues the tokens of people: the issuer that is named, else the small one here, else nobody. */}}
{{- define "commonweal.personIssuer" -}}
{{- if .Values.identity.issuer }}{{ .Values.identity.issuer }}
{{- else if .Values.identity.enabled }}http://identity.{{ .Release.Namespace }}.svc.cluster.local
{{- else if .Values.identity.jwks }}{{ fail "identity.jwks says where keys are, but not whose: set identity.issuer, or identity.enabled for the small issuer" }}
{{- end }}
{{- end }}

{{/* Where pods fetch the keys of the people's issuer; empty: by that issuer's discovery document. */}}
{{- define "commonweal.personJwks" -}}
{{- if .Values.identity.jwks }}{{ .Values.identity.jwks }}
{{- else if .Values.identity.enabled }}http://identity.{{ .Release.Namespace }}.svc.cluster.local/jwks
{{- end }}
{{- end }}

{{/* What every pod of ours may do: nothing. Pod Security `restricted`, and a read-only root file system on top. */}}
{{- define "commonweal.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "commonweal.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "commonweal.config" -}}
images:
  runtime: {{ .Values.images.runtime | quote }}
  store: {{ .Values.images.store | quote }}
site: {{ .Values.site | quote }}
expose: {{ .Values.expose }}
clientCidrs: {{ toJson .Values.clientCidrs }}
trustedProxies: {{ toJson .Values.trustedProxies }}
storageClass: {{ .Values.storageClass }}
clientIssuer: {{ .Values.clientIssuer | quote }}
personIssuer: {{ include "commonweal.personIssuer" . | trim | quote }}
personJwks: {{ include "commonweal.personJwks" . | trim | quote }}
personAudience: {{ .Values.identity.provider.audience | quote }}
personClaim: {{ .Values.identity.provider.claim | quote }}
personSubject: {{ .Values.identity.provider.subject }}
personSkewSeconds: {{ .Values.identity.provider.skewSeconds }}
sectorsSecret: {{ .Values.sectorsSecret }}
systemNamespace: {{ .Release.Namespace }}
serviceAccount: commonweal-operator
{{- end }}
