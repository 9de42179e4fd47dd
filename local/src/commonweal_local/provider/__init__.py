"""Local sites as a Cluster API provider: LocalCluster and LocalControlPlane, contract v1beta2.

`python -m commonweal_local.provider --kubeconfig FILE` runs it against a management cluster. It keeps the sites of this machine's COMMONWEAL_HOME as the
Clusters ask for them; a site outlives it, and it takes up what runs when it starts.
"""
