"""The loaders that the GPU's tests make: policies and options, which a CPU takes as well."""

from __future__ import annotations

from gca_dali import ViewPolicy

GCA = ViewPolicy.gca(size=64)
LOADERS = {
    "gca": (GCA, {}),
    "gca_paper": (ViewPolicy.gca_paper(size=60, num_views=8, channels=3, dtype="float16"), {}),
    "focus_contrast": (
        ViewPolicy.focus_contrast(size=56, dtype="bfloat16"),
        {"drop_last": False},
    ),
    "resident": (GCA, {"resident": True, "batch_size": 5}),
}
TOO_LARGE = (ViewPolicy.gca(size=4096), {"batch_size": 16, "resident": True})
