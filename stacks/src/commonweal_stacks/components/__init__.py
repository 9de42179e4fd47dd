"""Components that another Pulumi program can use, too: `(name, args, opts)`, with typed outputs."""
