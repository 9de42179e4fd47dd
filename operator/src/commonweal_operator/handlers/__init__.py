"""The only part that knows kopf: it logs in, watches, and hands every event to the engine."""
