"""One module for each subject, with an async `measure(plan)` that returns its section."""
