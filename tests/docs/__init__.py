"""Generated pages, and the test that they are current."""
