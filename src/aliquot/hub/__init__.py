"""SQL tables out of versions: the database that people query."""
