"""`commonweal move DEPARTMENT --from A --to B`: a department leaves a site, and nothing of it stays or is lost."""
