"""The reader of a department's own volumes: it mounts the claims, and gives their files to the department's store over HTTP. It holds nothing else."""
