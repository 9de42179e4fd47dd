"""Cluster API on a management cluster. Everything else is in commonweal_stacks."""

from commonweal_stacks.management.program import deploy

deploy()
