"""Applies the numbered files of ../migrations that the database does not have yet, each in one transaction."""

import os
import pathlib
import sys

import psycopg2

FILES = pathlib.Path(__file__).resolve().parent.parent / "migrations"


def main():
    connection = psycopg2.connect(os.environ["DATABASE_URL"], connect_timeout=10)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied timestamptz DEFAULT now())")
    for file in sorted(FILES.glob("[0-9]*.sql")):
        with connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLE schema_migrations")
            cursor.execute("SELECT 1 FROM schema_migrations WHERE name = %s", (file.name,))
            if cursor.fetchone():
                continue
            cursor.execute(file.read_text())
            cursor.execute("INSERT INTO schema_migrations (name) VALUES (%s)", (file.name,))
            print("applied", file.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
