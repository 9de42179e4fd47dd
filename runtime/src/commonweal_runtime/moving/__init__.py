"""What a move does inside the two stores' pods: `python -m commonweal_runtime.moving VERB`, by `kubectl exec`, at the old site and at the new one."""
