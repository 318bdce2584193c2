"""Self-supervised learning on the loader: pre-training with five methods, and probes.

Enters: a loader or a checkpoint. Leaves: checkpoints and scores. Start at `pretrain.pretrain`
and `probe.probe_checkpoint`.
"""
