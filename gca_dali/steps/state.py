"""A state that is to be resumed is compared with the loader that is to go on from it.

Enters: what `GCALoader.state_dict` gave then, and what it gives now. Leaves: nothing, or a refusal
that names the part that differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gca_dali.policy.files import check_text

if TYPE_CHECKING:
    from gca_dali.policy.view_policy import ViewPolicy

STATE_VERSION = 3


def check_state(state: dict[str, Any], mine: dict[str, Any], policy: ViewPolicy) -> None:
    """Refuse a state whose views would be others than the loader's.

    Parameters
    ----------
    state, mine : dict
        Of `GCALoader.state_dict`: to be resumed, and of the loader that resumes it.
    policy : ViewPolicy
        Of the loader.

    Raises
    ------
    ValueError
        If the state is of another version, manifest, seed, order, policy or saliency.
    """
    _check_same(state, mine, ("version", "manifest", "seed", "shuffle"))
    check_text(state["policy"], policy)
    _check_same(state, mine, ("saliency",))


def _check_same(state: dict[str, Any], mine: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if state.get(name) != mine[name]:
            raise ValueError(
                f"{name} must be that of the loader, {mine[name]}, got {state.get(name)}. "
                "Resume with the data, options and saliency that the state was saved with."
            )
