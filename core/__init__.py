"""The core behind both front ends: operations, the gate, changes, and the provider's client."""

import structlog

if not structlog.is_configured():
    # Its default, which retries log through, writes to standard output: that belongs to MCP. Until a program
    # configures logging, go to the standard library's, which writes warnings to standard error.
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
