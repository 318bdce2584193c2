"""What is done to an image to make its views: `ViewPolicy`, groups of views and their presets.

Enters: groups, or a preset's name. Leaves: laws and looks, the records that the kernels read. Next:
`steps.windows` and `steps.views`. `files` writes policies to TOML and JSON and reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gca_dali.common.checks import check_choice
from gca_dali.policy import files, presets
from gca_dali.policy.change import change_parts
from gca_dali.policy.group import MAX_VIEWS, ViewGroup

if TYPE_CHECKING:
    from gca_dali_kernels.law import ViewLaws
    from gca_dali_kernels.look import GroupLooks

DTYPES = ("float32", "float16", "bfloat16")
PRESETS = (
    "gca",
    "gca_relative",
    "gca_focus",
    "gca_hold",
    "gca_paper",
    "focus_contrast",
    "random",
    "simclr",
    "byol",
    "vicreg",
    "searched",
    "contrastive_crop",
    "dino",
    "dinov2",
    "gca_dino",
)


@dataclass(frozen=True)
class ViewPolicy:
    """What is done to make the views of an image. Begin with a preset: `ViewPolicy.gca()`, ….

    Attributes
    ----------
    groups : tuple of ViewGroup
        Views are numbered over the groups in order, so a group that is added behind leaves the
        windows of those before as they were.
    channels : int
        1, or 3 equal ones (a broadcast, no copy).
    dtype : str
        "float32", "float16" or "bfloat16".
    mean, deviation : float
        A view is (x − mean) / deviation, x being 0 to 1.

    Examples
    --------
    >>> ViewPolicy.gca(size=96, rho=0.8).groups[0].crop.rho
    0.8
    >>> [(group.num_views, group.size) for group in ViewPolicy.gca_dino().groups]
    [(2, 224), (8, 96)]
    """

    groups: tuple[ViewGroup, ...] = (ViewGroup(),)
    channels: int = 1
    dtype: str = "float32"
    mean: float = 0.5
    deviation: float = 0.25

    def __post_init__(self) -> None:
        """Refuse values that no view can have."""
        check_choice("channels", self.channels, (1, 3))
        check_choice("dtype", self.dtype, DTYPES)
        if not self.deviation > 0.0:
            raise ValueError(f"deviation must be positive, got {self.deviation}. Use 1 for none.")
        if not self.groups:
            raise ValueError("groups must hold at least one ViewGroup, got none. Add ViewGroup().")
        if self.num_views > MAX_VIEWS:
            raise ValueError(
                f"num_views of all groups must be at most {MAX_VIEWS}, got {self.num_views}. "
                "Make fewer."
            )

    @property
    def num_views(self) -> int:
        """Number of views of all groups, V."""
        return sum(group.num_views for group in self.groups)

    @property
    def size(self) -> int:
        """Height and width of the views of the first group in pixels."""
        return self.groups[0].size

    @property
    def slices(self) -> tuple[slice, ...]:
        """Which of the V views belong to each group."""
        return self.laws.slices

    @property
    def reads_saliency(self) -> bool:
        """Whether any view depends on the map."""
        return any(group.reads_saliency for group in self.groups)

    @cached_property
    def laws(self) -> ViewLaws:
        """The laws of all windows and cutouts, for the kernels."""
        from gca_dali_kernels.law import ViewLaws

        return ViewLaws(tuple(group.law for group in self.groups))

    @cached_property
    def looks(self) -> tuple[GroupLooks, ...]:
        """How the views of each group look, for the kernels."""
        from gca_dali_kernels.look import GroupLooks

        return tuple(
            GroupLooks(
                group.looks(self.mean, self.deviation),
                (group.size, group.size),
                group.rotation_degrees,
                views.start,
            )
            for group, views in zip(self.groups, self.slices, strict=True)
        )

    def replace(self, **changes: object) -> ViewPolicy:
        """Return a copy with some attributes changed, those of its parts by their names too.

        A name means that part of every group; `size` is that of the first group, and the others
        keep their proportion to it. A dotted name means one part: "groups.1.num_views",
        "cutout.probability", "appearances.0.solarize". Presets are documented in `presets`.

        Raises
        ------
        TypeError, ValueError
            If there is no such attribute (the nearest is named), or it cannot have the value.

        Examples
        --------
        >>> ViewPolicy.gca_hold().replace(tau=0.95, size=96).groups[0].crop.tau
        0.95
        >>> [group.size for group in ViewPolicy.dino(size=112).groups]
        [112, 48]
        """
        return change_parts(self, changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the policy as plain data, with the version of the laws."""
        return files.to_dict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ViewPolicy:
        """Return the policy of `to_dict`, or a preset ("preset") with changes.

        Raises
        ------
        TypeError, ValueError
            If a name or type is wrong, or the laws are of another version.
        """
        data = dict(data)
        if "preset" in data:
            return cls.preset(str(data.pop("preset")), **data)
        return files.from_dict(cls, data)

    def save(self, path: str | Path) -> None:
        """Write a `.toml` or `.json`.

        Raises
        ------
        ValueError
            If the name ends otherwise.
        """
        files.write(self.to_dict(), Path(path))

    @classmethod
    def load(cls, path: str | Path) -> ViewPolicy:
        """Read what `save` wrote, or a file that names a preset and what to change of it.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it holds no policy; the file is named.
        """
        data = files.read(Path(path))
        try:
            return cls.from_dict(data)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from None

    @classmethod
    def preset(cls, name: str, **changes: object) -> ViewPolicy:
        """Return the preset of this name, with some attributes changed.

        Raises
        ------
        ValueError
            If there is no such preset.
        """
        check_choice("policy", name, PRESETS)
        return cls(getattr(presets, name)()).replace(**changes)

    @classmethod
    def gca(cls, **changes: object) -> ViewPolicy:
        """Windows that hold 0.9 of the most they could, around a shared point: our default."""
        return cls.preset("gca", **changes)

    @classmethod
    def gca_relative(cls, **changes: object) -> ViewPolicy:
        """Windows by the law "relative" alone: no focus, cutout or mask."""
        return cls.preset("gca_relative", **changes)

    @classmethod
    def gca_focus(cls, **changes: object) -> ViewPolicy:
        """Free windows around a shared attended point; no cutout or mask."""
        return cls.preset("gca_focus", **changes)

    @classmethod
    def gca_hold(cls, **changes: object) -> ViewPolicy:
        """Windows that hold 0.92 of the saliency, whatever size that takes."""
        return cls.preset("gca_hold", **changes)

    @classmethod
    def gca_paper(cls, **changes: object) -> ViewPolicy:
        """GCA as published (Wang et al., PMLR 226, 2024)."""
        return cls.preset("gca_paper", **changes)

    @classmethod
    def focus_contrast(cls, **changes: object) -> ViewPolicy:
        """FocusContrast (arXiv 2305.08826)."""
        return cls.preset("focus_contrast", **changes)

    @classmethod
    def random(cls, **changes: object) -> ViewPolicy:
        """MoCo v2 (Chen et al. 2020): area 0.2–1, jitter 0.4, blur."""
        return cls.preset("random", **changes)

    @classmethod
    def simclr(cls, **changes: object) -> ViewPolicy:
        """SimCLR (Chen et al. 2020): area 0.08–1, jitter 0.8, blur."""
        return cls.preset("simclr", **changes)

    @classmethod
    def byol(cls, **changes: object) -> ViewPolicy:
        """BYOL (Grill et al. 2020): views blurred and solarized unequally."""
        return cls.preset("byol", **changes)

    @classmethod
    def vicreg(cls, **changes: object) -> ViewPolicy:
        """VICReg (Bardes et al. 2022): area 0.2–1, solarize 0.1."""
        return cls.preset("vicreg", **changes)

    @classmethod
    def searched(cls, **changes: object) -> ViewPolicy:
        """GCA's baseline "Searched": zoom 1.2, cutout of 48 px."""
        return cls.preset("searched", **changes)

    @classmethod
    def contrastive_crop(cls, **changes: object) -> ViewPolicy:
        """ContrastiveCrop (Peng et al. 2022)."""
        return cls.preset("contrastive_crop", **changes)

    @classmethod
    def dino(cls, **changes: object) -> ViewPolicy:
        """DINO (Caron et al. 2021): two global views and eight local ones."""
        return cls.preset("dino", **changes)

    @classmethod
    def dinov2(cls, **changes: object) -> ViewPolicy:
        """DINOv2 (Oquab et al. 2023): two global views and eight local ones."""
        return cls.preset("dinov2", **changes)

    @classmethod
    def gca_dino(cls, **changes: object) -> ViewPolicy:
        """Two free global views, eight local ones where readers look."""
        return cls.preset("gca_dino", **changes)
