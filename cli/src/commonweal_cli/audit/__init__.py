"""Checking what departments promise, without believing them: receipts, inclusion proofs, and the sealed audit row by row."""
