"""What is said of a running plan, and how often: what its next member waits for, and when its card is drawn."""
