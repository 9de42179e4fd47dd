"""The platform layer on one site; the stack file names the site. Everything else is in commonweal_stacks."""

from commonweal_stacks.program import deploy

deploy()
