"""Pulumi's language host for Python: runs programs and policy packs for the engine.

The vendor's, `pulumi-language-python`, comes with its download only and is served nowhere as a module; where it is installed it is used. What
this one does and does not do: docs/reference/pulumi.md.
"""
