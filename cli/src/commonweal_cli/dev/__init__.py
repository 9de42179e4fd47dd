"""A department's whole stack on this machine, from its manifests, without a cluster: what nothing but `commonweal dev` needs."""
