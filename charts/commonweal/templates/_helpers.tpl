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

{{/* The address of the pages for people: the one that is named, else that in the cluster; nothing where they do not run. They need the small issuer, which keeps the links. */}}
{{- define "commonweal.portalUrl" -}}
{{- if and .Values.identity.enabled .Values.portal.enabled }}{{ .Values.portal.url | default (include "commonweal.portalInside" .) }}
{{- end }}
{{- end }}

{{- define "commonweal.portalInside" -}}
https://portal.{{ .Release.Namespace }}.svc.cluster.local
{{- end }}

{{/* Where the issuer reaches these pages. */}}
{{- define "commonweal.portalInner" -}}
{{- if include "commonweal.portalUrl" . | trim }}{{ include "commonweal.portalInside" . }}{{ end }}
{{- end }}

{{/* A pod's own certificate, by the name of its Secret, and which authority it trusts. */}}
{{- define "commonweal.tls" -}}
projected:
  defaultMode: 0440
  sources:
    - secret: {name: {{ . }}, items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]}
    - configMap: {name: commonweal-ca, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}

{{/* The way to the name service, and to a node's own cache of it. */}}
{{- define "commonweal.nameService" -}}
- to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      podSelector: {matchLabels: {k8s-app: kube-dns}}
    - ipBlock: {cidr: 169.254.20.10/32}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
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
portal: {{ include "commonweal.portalUrl" . | trim | quote }}
personEmbedded: {{ include "commonweal.personEmbedded" . | trim }}
personJwks: {{ .Values.identity.jwks | quote }}
personAudience: {{ .Values.identity.provider.audience | quote }}
personClaim: {{ .Values.identity.provider.claim | quote }}
personSubject: {{ .Values.identity.provider.subject }}
personSkewSeconds: {{ .Values.identity.provider.skewSeconds }}
smtp: {{ .Values.mail.server | quote }}
smtpFrom: {{ .Values.mail.sender | quote }}
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
{{- if .Values.apiServers }}
to:
  {{- range .Values.apiServers }}
  - ipBlock: {cidr: {{ . | quote }}}
  {{- end }}
{{- else }}
{{- include "commonweal.outside" . }}
{{- end }}
{{- end }}

{{/* Every address that is no pod and no service; nothing where the site does not say which those are. */}}
{{- define "commonweal.outside" -}}
{{- $inside := concat .Values.podCidrs .Values.serviceCidrs }}
{{- if $inside }}
to:
  {{- range $whole := list "0.0.0.0/0" "::/0" }}
  {{- $own := list }}
  {{- range $inside }}{{ if eq (contains ":" .) (contains ":" $whole) }}{{ $own = append $own . }}{{ end }}{{ end }}
  - ipBlock: {cidr: {{ $whole | quote }}{{ if $own }}, except: {{ toJson (sortAlpha $own) }}{{ end }}}
  {{- end }}
{{- end }}
{{- end }}

{{/* The port of an https address. */}}
{{- define "commonweal.portOf" -}}
{{- $host := (urlParse .).host }}{{ if regexMatch ":[0-9]+$" $host }}{{ regexFind "[0-9]+$" $host }}{{ else }}443{{ end }}
{{- end }}
