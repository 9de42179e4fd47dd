"""The keeper: carries a plan out against the store, and runs what goes on beside it (loads, health of products, other sites' consents, linkage, seals)."""
