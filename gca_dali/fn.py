"""Gaze-conditioned views as operators inside a DALI pipeline of the user's own.

    keys → saliency | predict_saliency → sample_windows → render_views

Enters: whatever the user's readers and decoders give. Leaves: DataNodes, for DALI's own operators
and iterators to go on with. One key (sample index, epoch) gives the windows that `GCALoader` gives.
Data come first, the rest by name; an operator runs on the device of its first input, keys and
shapes stay on the CPU. `docs/operators.md` says what cannot be done. Next: `dynamic` has the same
names for batches.
"""

from gca_dali.operators.map_nodes import count_epochs, keys, predict_saliency, saliency
from gca_dali.operators.view_nodes import gaze_views, render_views, sample_windows
from gca_dali.operators.windows import Windows

__all__ = [
    "Windows",
    "count_epochs",
    "gaze_views",
    "keys",
    "predict_saliency",
    "render_views",
    "saliency",
    "sample_windows",
]
