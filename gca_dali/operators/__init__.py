"""The steps between decoding and delivery as operators of DALI: what each does with a batch.

Enters: lists of arrays, one per sample, as DALI hands them to Python. Leaves: such lists.
`gca_dali.fn` puts them into a graph, `gca_dali.dynamic` calls them on batches.
"""
