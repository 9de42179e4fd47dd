"""The department's store: PostgreSQL as the engine that enforces. It knows neither who serves it nor the keeper that runs it."""
