"""A package, so that its management cluster ends with its last test."""
