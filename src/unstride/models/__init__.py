"""Models from files and from live objects as network graphs; nothing that a file holds is ever run."""
