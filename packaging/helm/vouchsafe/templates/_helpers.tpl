{{/* Name of all objects. */}}
{{- define "vouchsafe.name" -}}
{{- if contains "vouchsafe" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-vouchsafe" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change. */}}
{{- define "vouchsafe.selector" -}}
app.kubernetes.io/name: vouchsafe
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "vouchsafe.labels" -}}
{{ include "vouchsafe.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "vouchsafe.image" -}}
{{- $repository := required "image.repository is required: push the image of the release to a registry" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "vouchsafe.data" -}}/var/lib/vouchsafe/broker{{- end -}}
{{- define "vouchsafe.keyring" -}}/etc/vouchsafe/keyring.json{{- end -}}

{{/* What every container of the pod may do, and what it sees. */}}
{{- define "vouchsafe.container" -}}
image: {{ include "vouchsafe.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  # A folder below the volume's root, which belongs to the broker alone.
  - name: data
    mountPath: /var/lib/vouchsafe
  # As a file of its own: the broker does not follow links to its keyring.
  - name: keyring
    mountPath: {{ include "vouchsafe.keyring" . }}
    subPath: keyring.json
    readOnly: true
  - name: configuration
    mountPath: /etc/vouchsafe/broker.toml
    subPath: broker.toml
    readOnly: true
  - name: tmp
    mountPath: /tmp
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
