"""What a move does inside the two stores' pods: `python -m commonweal_runtime.migration VERB`, by `kubectl exec`, at the old site and at the new one."""
