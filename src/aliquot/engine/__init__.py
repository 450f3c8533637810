"""How pipelines run: datums, keys, plans, supervision, publishing, explanations."""
