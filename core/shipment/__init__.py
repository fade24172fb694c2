"""Ships the audit trail to where others keep it: files, syslog, webhooks, OpenTelemetry."""
