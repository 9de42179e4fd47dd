"""`commonweal management`: the cluster that makes the sites' clusters."""
