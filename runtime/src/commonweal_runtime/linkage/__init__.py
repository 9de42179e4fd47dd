"""Reading by the consumer's own references, under an agreement with `spec.linkage`."""
