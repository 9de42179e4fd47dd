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
{{- else if .Values.identity.enabled }}https://identity.{{ .Release.Namespace }}.svc.cluster.local
{{- else if .Values.identity.jwks }}{{ fail "identity.jwks says where keys are, but not whose: set identity.issuer, or identity.enabled for the small issuer" }}
{{- end }}
{{- end }}

{{/* Whether the operator itself knows the keys of the people's issuer: those of the small one, unless others are named. */}}
{{- define "commonweal.personEmbedded" -}}
{{- if and .Values.identity.enabled (not .Values.identity.jwks) }}true{{ else }}false
{{- if and .Values.identity.issuer (not .Values.identity.jwks) (not (hasPrefix "https://" .Values.identity.issuer)) }}{{ fail "identity.issuer is not https, so whoever answers there could name its own keys: use https, or set identity.jwks to an https address of its keys" }}
{{- end }}
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
podCidrs: {{ toJson .Values.podCidrs }}
serviceCidrs: {{ toJson .Values.serviceCidrs }}
apiServers: {{ toJson .Values.apiServers }}
trustedProxies: {{ toJson .Values.trustedProxies }}
storageClass: {{ .Values.storageClass }}
clientIssuer: {{ .Values.clientIssuer | quote }}
personIssuer: {{ include "commonweal.personIssuer" . | trim | quote }}
personEmbedded: {{ include "commonweal.personEmbedded" . | trim }}
personJwks: {{ .Values.identity.jwks | quote }}
personAudience: {{ .Values.identity.provider.audience | quote }}
personClaim: {{ .Values.identity.provider.claim | quote }}
personSubject: {{ .Values.identity.provider.subject }}
personSkewSeconds: {{ .Values.identity.provider.skewSeconds }}
issuerRef: {{ toJson .Values.certificates.issuerRef }}
authority: {{ toJson .Values.certificates.authority }}
{{- if and .Values.certificates.issuerRef.name (not .Values.certificates.authority) }}{{ fail "certificates.issuerRef names an issuer, and authority does not say which one to trust: set certificates.authority to the PEM certificate of its authority" }}
{{- end }}
sectorsSecret: {{ .Values.sectorsSecret }}
authoritySecret: {{ .Values.authoritySecret }}
peopleSecret: {{ .Values.identity.people }}
systemNamespace: {{ .Release.Namespace }}
serviceAccount: commonweal-operator
{{- end }}

{{/* Where the API server may be: the addresses that are named, or every one that is no pod and no service; nothing where neither is known. */}}
{{- define "commonweal.apiServer" -}}
{{- $inside := concat .Values.podCidrs .Values.serviceCidrs }}
{{- if .Values.apiServers }}
to:
  {{- range .Values.apiServers }}
  - ipBlock: {cidr: {{ . | quote }}}
  {{- end }}
{{- else if $inside }}
to:
  {{- range $whole := list "0.0.0.0/0" "::/0" }}
  {{- $own := list }}
  {{- range $inside }}{{ if eq (contains ":" .) (contains ":" $whole) }}{{ $own = append $own . }}{{ end }}{{ end }}
  - ipBlock: {cidr: {{ $whole | quote }}{{ if $own }}, except: {{ toJson (sortAlpha $own) }}{{ end }}}
  {{- end }}
{{- end }}
{{- end }}
