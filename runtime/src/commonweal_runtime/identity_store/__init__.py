"""The PostgreSQL beside the issuer of people: links, sessions and preferences lie there, sealed by the issuer."""
