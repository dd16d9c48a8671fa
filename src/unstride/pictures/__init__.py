"""See it: what is on a picture, how it is laid out, and the formats it is written in."""

from .example import Example, Period
from .picture import Picture
from .scene import Cell, Grid, Panel, Role, Scene, View

__all__ = ["Cell", "Example", "Grid", "Panel", "Period", "Picture", "Role", "Scene", "View"]
