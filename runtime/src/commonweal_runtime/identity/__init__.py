"""A small OpenID Connect issuer for people: it signs a person in, and names them to each department by that department's own id."""
