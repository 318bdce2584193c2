"""How the steps after decoding are run: on a CPU, on a GPU, on images kept in memory.

Enters: a pipeline of `pipeline`, which ends with decoded images, and its `ViewMaker`. Leaves: batch
after batch of views. Next: `loader`.
"""
