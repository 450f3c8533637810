"""The codes of findings about tables: those of frictionless-py, and of its meaning."""

TABLE_CODES = frozenset({
    "blank-header", "blank-label", "blank-row", "constraint-error", "duplicate-label", "encoding-error", "extra-cell",
    "extra-label", "foreign-key", "format-error", "incorrect-label", "missing-cell", "missing-label", "primary-key",
    "reference-missing", "row-constraint", "source-error", "type-error", "unbalanced-quote", "unique-error",
    "unmatched-header",
})  # fmt: skip
