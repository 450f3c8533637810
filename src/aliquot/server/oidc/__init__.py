"""Another provider that knows the lab's people, by OpenID Connect: its settings and keys, and what it says of whom."""
