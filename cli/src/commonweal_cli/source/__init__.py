"""`commonweal source`: look at a source before it is published."""
