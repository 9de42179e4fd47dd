"""The lock-in rules as a policy pack. Everything else is in commonweal_stacks."""

from commonweal_stacks.lockin import serve

serve()
