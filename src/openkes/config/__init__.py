"""The server's YAML configuration: `schema` is what it holds, `load` reads it, `tls` reads the files it names."""
