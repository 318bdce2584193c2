"""What is done to an image to make a view.

Enters: numbers, or a preset's name. Leaves: `ViewPolicy`, which `steps` hands to the kernels as
laws and looks.
"""
