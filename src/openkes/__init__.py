"""openkes: a key server for MinIO that speaks the KES API and formats."""

__version__ = "0.1.0"
