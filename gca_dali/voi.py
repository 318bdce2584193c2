"""What sets the contrast of a DICOM image, as a person writes it: "auto", "window:1", "full".

Text enters; the kind of mapping and the number of its window or table leave. Used wherever a
choice is taken; `gca_dali.dicom` applies it.
"""

from __future__ import annotations

VOI_CHOICES = ("auto", "window", "lut", "full", "percentile")
_NUMBERED = ("window", "lut")


def parse_voi(voi: str) -> tuple[str, int]:
    """Check a choice and take it apart.

    Parameters
    ----------
    voi : str
        One of ``VOI_CHOICES``; "window" and "lut" may name one of several: "window:1" is the
        second.

    Returns
    -------
    kind : str
        One of ``VOI_CHOICES``.
    number : int
        From 0.

    Raises
    ------
    ValueError
        If it is no such choice.

    Examples
    --------
    >>> parse_voi("window:1")
    ('window', 1)
    """
    kind, colon, number = str(voi).partition(":")
    numbered = not colon or (kind in _NUMBERED and number.isascii() and number.isdigit())
    if kind not in VOI_CHOICES or not numbered or len(number) > 4:
        raise ValueError(
            f"voi must be one of {', '.join(VOI_CHOICES)}, or window:1 and lut:1 for the second, "
            f"got {voi!r}. Use 'auto'."
        )
    return kind, int(number or 0)
