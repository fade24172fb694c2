{{- define "vpsops.selector" -}}
app.kubernetes.io/name: vpsops
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "vpsops.labels" -}}
{{ include "vpsops.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "vpsops.name" -}}
{{- if eq .Release.Name "vpsops" }}vpsops{{ else }}{{ printf "%s-vpsops" .Release.Name | trunc 63 | trimSuffix "-" }}{{ end -}}
{{- end -}}
