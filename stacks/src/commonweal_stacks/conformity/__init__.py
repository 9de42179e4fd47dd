"""Conformity: one digest per site over everything that must be alike, and the leaf that is not."""
