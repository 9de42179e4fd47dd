"""`commonweal bundle`: one archive from which a site comes up on a machine without a network."""
