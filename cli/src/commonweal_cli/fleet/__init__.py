"""A change for many sites: ring by ring, each site held to the signed root of the first."""
