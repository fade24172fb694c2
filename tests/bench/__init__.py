"""Measurements of vpsops against its targets and against what others do; `make bench` writes docs/benchmarks.md."""
