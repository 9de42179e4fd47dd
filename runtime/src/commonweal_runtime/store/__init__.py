"""The department's store: PostgreSQL as the engine that enforces, and the keeper that carries out its plan."""
