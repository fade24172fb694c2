"""Alembic's entry: run the migrations on the connection that vpsops.core.storage.schema hands over."""

from alembic import context

from vpsops.core.storage.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
