"""What commands share: exit codes, output, results of checks, secret files."""
