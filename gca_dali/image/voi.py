"""What is taken out of DICOM files: which contrast, which frames, and whether the patient.

Choices enter as a person writes them ("auto", "window:1", "full"); they leave checked. Indexing
takes them; `gca_dali.image.dicom` applies them.
"""

from __future__ import annotations

from dataclasses import dataclass

from gca_dali.common.checks import check_choice

VOI_CHOICES = ("auto", "window", "lut", "full", "percentile")
_NUMBERED = ("window", "lut")


@dataclass(frozen=True)
class DicomOptions:
    """What an index takes out of DICOM files.

    Attributes
    ----------
    voi : str
        What sets the contrast: "auto" (the VOI table, else the first window, else the full range),
        "window", "lut", "full", "percentile"; "window:1" is the second window.
    frames : str
        "first", or "all" for a row per frame.
    with_patient : bool
        Take the patient identifier, which splits by patient need; otherwise it is never read.

    Raises
    ------
    ValueError
        If a choice is none of these.
    """

    voi: str = "auto"
    frames: str = "first"
    with_patient: bool = False

    def __post_init__(self) -> None:
        """Refuse unknown choices."""
        parse_voi(self.voi)
        check_choice("frames", self.frames, ("first", "all"))


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
