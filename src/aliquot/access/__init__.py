"""People, roles, tokens, and the audit of what they did."""
