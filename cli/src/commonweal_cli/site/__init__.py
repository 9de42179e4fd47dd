"""How the `pulumi` CLI is run: its plug-ins, its stack on this machine, its events."""
