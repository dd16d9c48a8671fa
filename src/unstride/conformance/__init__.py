"""The published suite of ConvTranspose cases, and the runner that asks runtimes about it."""
