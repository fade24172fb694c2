"""`vpsops init`: asks for what a set-up needs, tries it, and writes the configuration."""
