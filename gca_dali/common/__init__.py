"""What every room may use: checks of arguments, progress bars, states in safetensors.

Nothing here knows of images, gaze or views.
"""
