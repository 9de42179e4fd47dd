"""`commonweal lint FILE...` and `commonweal score DEPARTMENT`."""
