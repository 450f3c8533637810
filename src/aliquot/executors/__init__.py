"""Where tasks run: as processes and in containers of this machine; and `stage`, which runs one document."""
