"""What is the same however an API server is spoken to: the forms it takes and gives, and what it may answer instead."""

from __future__ import annotations

JSON = "application/json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
APPLY = "application/apply-patch+yaml"  # JSON is valid YAML, and the server parses it faster than YAML proper
MERGE = "application/merge-patch+json"
