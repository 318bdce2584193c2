"""Radiologists' attention: recordings to maps, maps to a predictor, predictor to saliency.

Enters: eye-tracking files, or the simulated reader. Leaves: a folder of saliency maps and a
`GazePredictor`. Next: the saliency table of the loader.
"""
