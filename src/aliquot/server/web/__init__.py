"""The pages: a module for each noun, templates, and what browsers load."""
