"""Simulators that speak real protocols, and the story `make demo` plays on them."""
