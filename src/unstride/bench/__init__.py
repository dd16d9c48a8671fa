"""Whole calls timed against the frameworks', side by side in one run, with the machine's own limits beside them."""
