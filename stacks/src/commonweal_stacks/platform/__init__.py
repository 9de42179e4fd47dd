"""The platform layer: the same objects on every site. Builders are pure; only `component` knows Pulumi."""
