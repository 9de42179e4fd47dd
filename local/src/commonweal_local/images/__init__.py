"""Container images of Commonweal, written without a container tool or a registry; `builder.build` makes them."""
