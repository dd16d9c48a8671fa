"""Tools that make the project's recorded files."""
