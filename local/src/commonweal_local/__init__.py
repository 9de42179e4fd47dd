"""Clusters on this machine: the embedded default of a body that brings none of its own.

`toolchain` finds or builds the programs, `images` writes the container images, `sites` runs the clusters, `management` the cluster that
makes them, `provider` is that one's Cluster API provider, `standins` stands in for what of Pulumi is absent, `doctor` says what the machine lacks.
"""
