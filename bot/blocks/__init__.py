"""What people see: pure functions from values of the core to Slack's blocks."""
