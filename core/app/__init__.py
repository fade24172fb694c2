"""The composition root: settings in, a running core out."""

from vpsops.core.app.core import Core
from vpsops.core.app.process_parts import credentials_of, postgres_options_of
from vpsops.core.app.runtime import Runtime, open_core, open_runtime

__all__ = ["Core", "Runtime", "credentials_of", "open_core", "open_runtime", "postgres_options_of"]
