"""The parts of a policy: how windows, cutouts and intensities are drawn, checked at birth."""

from __future__ import annotations

from dataclasses import dataclass

from gca_dali.common.checks import check_choice, check_probability, check_range

LAWS = ("free", "relative", "hold", "rejection", "contrastive_crop")


@dataclass(frozen=True)
class Crop:
    """How windows are drawn.

    Attributes
    ----------
    law : str
        "free" (size and place at random); "relative" (the drawn size is kept; of the candidate
        places the first that holds rho of the most that any of them holds is taken); "hold" (the
        drawn size is kept where a place holds tau, else it grows by the least that does);
        "rejection" (size and place redrawn together until tau: the papers') or "contrastive_crop"
        (Peng et al., CVPR 2022).
    size_by : str
        "area": `size_range` is a share of the image, the aspect log-uniform (Szegedy et al.);
        "zoom": the image's sides over a zoom in `size_range`.
    size_range : tuple of float
        Least and greatest share of the area, in (0, 1], or zoom, from 1.
    aspect_range : tuple of float
        Least and greatest width over height of a window, in pixels of the image ("area" alone).
    tau : float
        Least share of the saliency mass that a window must hold (hold, rejection); 0 asks for none.
    rho : float
        Least share of the most that any candidate holds (relative).
    weight : int
        A place is accepted with probability share**weight: 0 (the papers' hard filter), 1 or 2. The
        share is of the map's mass, or with "relative" of the most that any candidate holds.
    num_candidates : int
        Places that "relative" chooses from, or draws before the exact search takes over.
    focus : bool
        One attended point per image and epoch, drawn in proportion to the saliency, is shared by
        all views with focus: places are drawn around it (free, relative).
    max_iou : float
        The views of a group are redrawn, a bounded number of times, until no two of their windows
        overlap more (intersection over union); then the least overlap is taken. 1 allows any.
    """

    law: str = "free"
    size_by: str = "area"
    size_range: tuple[float, float] = (0.2, 1.0)
    aspect_range: tuple[float, float] = (3 / 4, 4 / 3)
    tau: float = 0.0
    rho: float = 0.9
    weight: int = 0
    num_candidates: int = 64
    focus: bool = False
    max_iou: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no window can obey."""
        check_choice("law", self.law, LAWS)
        check_choice("size_by", self.size_by, ("area", "zoom"))
        limits = (1e-4, 1.0) if self.size_by == "area" else (1.0, 100.0)
        check_range("size_range", self.size_range, *limits)
        check_range("aspect_range", self.aspect_range, 0.01, 100.0)
        for name in ("tau", "rho", "max_iou"):
            check_probability(name, getattr(self, name))
        check_choice("weight", self.weight, (0, 1, 2))
        if not 1 <= self.num_candidates <= 10_000:
            raise ValueError(
                f"num_candidates must be 1 to 10000, got {self.num_candidates}. "
                "64 is enough for every preset."
            )
        if self.tau and self.law not in ("hold", "rejection"):
            raise ValueError(
                f"tau must be 0 with law {self.law!r}, got {self.tau}. Use law 'hold' to hold a "
                "share of the saliency, or rho with law 'relative'."
            )
        if self.weight and self.law not in ("relative", "hold", "rejection"):
            raise ValueError(
                f"weight must be 0 with law {self.law!r}, got {self.weight}. Use law 'relative' or "
                "'hold' to weigh places."
            )
        if self.focus and self.law not in ("free", "relative"):
            raise ValueError(
                f"focus must be False with law {self.law!r}, got {self.focus}. Use law 'free' or "
                "'relative'."
            )

    @property
    def reads_saliency(self) -> bool:
        """Whether the windows depend on the map."""
        always = self.law in ("relative", "contrastive_crop")
        return always or self.focus or self.tau > 0 or self.weight > 0


@dataclass(frozen=True)
class Cutout:
    """A black rectangle that hides at most `max_loss` of the view's saliency mass.

    Attributes
    ----------
    probability : float
        Of a view to have one.
    side_range : tuple of float
        Least and greatest height and width, drawn apart, in shares of the view's sides (48 of 224
        pixels are 0.214).
    max_loss : float
        Most of the saliency mass of the view that it may hide; 1 looks at no saliency.
    num_redraws : int
        Rectangles that are tried; if all hide more, the view has none.
    """

    probability: float = 0.5
    side_range: tuple[float, float] = (48 / 224, 96 / 224)
    max_loss: float = 0.1
    num_redraws: int = 100

    def __post_init__(self) -> None:
        """Refuse what no rectangle can obey."""
        check_probability("probability", self.probability)
        check_range("side_range", self.side_range, 0.0, 1.0)
        check_probability("max_loss", self.max_loss)
        if not 1 <= self.num_redraws <= 10_000:
            raise ValueError(f"num_redraws must be 1 to 10000, got {self.num_redraws}. Use 100.")


@dataclass(frozen=True)
class Change:
    """A change of intensity that happens with a probability and a strength drawn from a range."""

    probability: float
    strength: tuple[float, float]


@dataclass(frozen=True)
class Appearance:
    """How a view looks. Strengths are uniform in their ranges; None leaves the step out.

    Attributes
    ----------
    brightness, contrast : tuple of float or None
        Factors, drawn together with probability `jitter`; contrast turns about mid-grey.
    gamma, blur, noise : Change or None
        Exponent; Gaussian sigma in pixels of the view; sigma of noise on intensities 0 to 1.
    solarize : float
        Probability that intensities of at least 0.5 are inverted.
    mask : str
        Gaze mask: "none", "soft" (times saliency + `mask_floor`, at most 1) or "hard" (the 80 %
        least attended cells black).
    mask_floor : float
        What the soft mask leaves of the brightness where nobody looked.
    """

    jitter: float = 0.0
    brightness: tuple[float, float] | None = None
    contrast: tuple[float, float] | None = None
    gamma: Change | None = None
    blur: Change | None = None
    noise: Change | None = None
    solarize: float = 0.0
    mask: str = "none"
    mask_probability: float = 1.0
    mask_floor: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what is no intensity."""
        check_choice("mask", self.mask, ("none", "soft", "hard"))
        for name in ("jitter", "solarize", "mask_probability", "mask_floor"):
            check_probability(name, getattr(self, name))
        for name in ("brightness", "contrast"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 0.0, 10.0)
        for name, low, high in (("gamma", 0.05, 20.0), ("blur", 0.01, 50.0), ("noise", 0.0, 1.0)):
            change = getattr(self, name)
            if change is not None:
                check_probability(f"{name}.probability", change.probability)
                check_range(f"{name}.strength", change.strength, low, high)
