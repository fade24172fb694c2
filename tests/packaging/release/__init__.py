"""Makes a release: `make release`, from the commit that is checked out, the same bytes wherever and whenever."""
