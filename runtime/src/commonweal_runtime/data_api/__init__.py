"""The data API of a department: HTTP in front of the store. It shapes requests; what may be read, the store decides."""
