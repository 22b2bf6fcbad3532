#!/bin/sh
# At the first start of the database: the product's own role, which is no superuser, so that row-level security
# applies to it, and its database.
set -eu
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --set=password="$DIALER_DB_PASSWORD" <<'SQL'
CREATE ROLE dialer LOGIN PASSWORD :'password' NOSUPERUSER NOBYPASSRLS;
CREATE DATABASE dialer OWNER dialer;
SQL
