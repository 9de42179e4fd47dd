"""`commonweal local`: clusters on this machine."""
