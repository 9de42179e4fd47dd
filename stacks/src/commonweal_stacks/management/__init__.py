"""The management cluster: Cluster API on it, by `pulumi up`, and how the other stacks reach it."""
