"""A simulated WAYSCloud VPS API: an HTTP process with stateful servers, dialects and faults."""
