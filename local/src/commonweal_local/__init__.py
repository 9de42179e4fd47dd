"""The embedded default: real clusters on one Linux machine, the images they run, and the `commonweal` command.

`toolchain` finds or builds the programs, `images` writes the container images, `sites` runs the clusters, `doctor` says what a
machine lacks. Nothing here is needed by a body that brings its own clusters.
"""
