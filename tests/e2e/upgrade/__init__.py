"""From one version to the next: processes beside each other, and databases that an earlier version made."""
