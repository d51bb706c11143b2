"""PostgreSQL as a key store. Nothing here imports psycopg before a store is opened: `target` is for settings."""
