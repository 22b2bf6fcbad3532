#!/bin/sh
# Makes Temporal's two databases and brings them to the schema of this version of it; may run again at every start.
# SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER and SQL_PASSWORD are read by the program itself.
set -eu
schema=${SCHEMA:-/etc/temporal/schema}/postgresql/v12
for pair in temporal/temporal temporal_visibility/visibility; do
    database=${pair%/*}
    temporal-sql-tool --database "$database" create-database
    # Fails where versions are kept already; update-schema then says what is really wrong, if anything is.
    temporal-sql-tool --database "$database" setup-schema --version 0.0 || true
    temporal-sql-tool --database "$database" update-schema --schema-dir "$schema/${pair#*/}/versioned"
done
