"""Public helpers for tests: the corpus of the frameworks' answers, and live adapters."""
