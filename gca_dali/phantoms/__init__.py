"""Phantoms: X-ray-like knees and chests with known lesions and simulated gaze.

They are the data that come with the package, for the demo and the tests; ``Manifest``, the
saliency sources and the audit read what :func:`write_phantoms` writes.
"""

from __future__ import annotations

from gca_dali.phantoms.phantom import Phantom, make_phantom, phantom_saliency
from gca_dali.phantoms.write import write_phantoms

__all__ = ["Phantom", "make_phantom", "phantom_saliency", "write_phantoms"]
