"""State machines compared with small models."""
