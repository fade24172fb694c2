"""Image and manifests: `make containers-check` checks them by their own tools, `make containers` builds and runs."""
