"""What every other folder uses: clock, errors, text, limits of time, concurrency helpers."""
