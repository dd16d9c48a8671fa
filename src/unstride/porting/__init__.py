"""Move a layer from one dialect to another: exact code and weights, or a refusal with what equals it."""
