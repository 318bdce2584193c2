"""A prepared store: shards of small grey images, found by shard, offset and length.

`open.open_store` gives a manifest its rows; `fetch.ShardFetcher` feeds the loader.
`gca_dali.prepare` writes stores; `docs/store.md` describes them.
"""
