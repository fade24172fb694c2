"""Settings, logging and the places of TOML values."""
