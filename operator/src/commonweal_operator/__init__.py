"""The control plane: brings every department to what its objects say, and keeps it there.

`handlers` listen (the only part that knows kopf), `engine` queues, applies and reports, `kinds` decide, `desired` builds manifests and is pure.
"""
