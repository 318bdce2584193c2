"""The rows of a data set.

Enters: a folder, a CSV, a saved manifest or a store. Leaves: `Manifest`, and each sample's path,
bytes or pixels. Next: `gaze` looks up maps by its rows, `steps` reads its samples.
"""
