"""`vpsops runbook`: plans from files."""
