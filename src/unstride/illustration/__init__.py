"""Draw a pasted line, a spec or a layer: where dialects and arrays meet the pictures."""
