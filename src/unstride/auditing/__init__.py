"""What may go wrong in a model, found from its file, without running it."""
