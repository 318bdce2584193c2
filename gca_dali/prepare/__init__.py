"""Originals in, a store of shards out: decoded once, resized, checked and resumable.

`run.prepare_store` does it; the loader reads what it wrote through `gca_dali.store`.
"""
