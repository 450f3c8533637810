"""How files come in: seen, settled, recognised, checked, and taken into a dataset or into quarantine."""
