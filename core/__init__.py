"""The core behind both front ends: operations, the gate, changes, and the provider's client."""
