"""The engine inside other frameworks; each module imports its framework, so import only the one that is there."""
