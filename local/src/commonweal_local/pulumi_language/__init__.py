"""Stand-in for Pulumi's Python language host: runs a Python program for the engine.

Used only when the vendor's `pulumi-language-python` is neither on PATH nor beside the CLI. What it does and does not do:
docs/reference/pulumi-stand-ins.md.
"""
