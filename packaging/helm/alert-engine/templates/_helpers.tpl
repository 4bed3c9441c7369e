{{- define "alert-engine.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "alert-engine.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "alert-engine.selector" -}}
app.kubernetes.io/name: {{ include "alert-engine.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "alert-engine.labels" -}}
{{ include "alert-engine.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* "true" for a cluster: several replicas are one, and one replica is if the configuration says so. */}}
{{- define "alert-engine.cluster" -}}
{{- $cluster := default dict .Values.config.cluster -}}
{{- or (gt (int .Values.replicas) 1) (default false $cluster.enabled) -}}
{{- end -}}
