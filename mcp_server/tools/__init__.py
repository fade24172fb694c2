"""Tool definitions and how calls are answered."""
