"""The site of docs/, as far as it can be checked without its own tools."""
