"""Image, map, windows and views side by side, as a PNG or an HTML page."""
