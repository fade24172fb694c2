"""Break-glass: a person runs their own change without the votes it needs, and others review that afterwards."""
