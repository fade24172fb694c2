"""Alembic's entry: run the migrations on the connection that core.storage.schema hands over."""

from alembic import context

from core.storage.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
