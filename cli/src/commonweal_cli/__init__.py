"""The command `commonweal`: all that a person types."""
