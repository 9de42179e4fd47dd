"""The model runtime: ranks offers, joins rewards, learns from both, and scores by the Open Inference Protocol v2."""
