"""The way of one sample, one module per step.

order → read → decode → saliency → windows → views → deliver. Enters: rows, maps, a policy. Leaves:
`ViewBatch`. `pipeline` puts them together, `runners` run them.
"""
