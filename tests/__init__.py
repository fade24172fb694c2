"""The tests; a package, so that no folder of theirs takes the name of a library that tests import."""
