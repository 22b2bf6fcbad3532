"""Runs migrations on the connection that ``dialer.store.migrate`` hands over: it holds the lock."""

from alembic import context

from dialer.store.tables import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
