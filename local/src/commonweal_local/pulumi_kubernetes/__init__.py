"""Stand-in for the vendor's Kubernetes plug-in: resources by server-side apply.

Follows pulumi-kubernetes 4.34.2 for the resource types that Commonweal's stacks use. Used only when the vendor's
`pulumi-resource-kubernetes` is neither on PATH nor in the Pulumi home. What is and is not like the vendor's:
docs/reference/pulumi-stand-ins.md.
"""

FOLLOWS = "4.34.2"
