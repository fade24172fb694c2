"""What the API can do, as data: one entry per operation, from which both front ends are derived."""
