"""Products that are read where they lie: keys in the store, everything else at the source, asked for by key under the agreement's own policies."""
