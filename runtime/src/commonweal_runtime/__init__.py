"""The data plane of a department: the store and its keeper, the data API, the model runtime and the identity provider."""
