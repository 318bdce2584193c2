"""``gca-dali gaze``: recordings to maps, simulated readings, fit, evaluate and predict."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gca_dali.cli.common import Report, SourceOptions, command, make_app

if TYPE_CHECKING:
    from rich.table import Table

    from gca_dali.gaze.maps import MapSettings

app = make_app()

OutOption = Annotated[Path, typer.Option(help="Where to write.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")]
MapsOption = Annotated[Path, typer.Option(help="Folder of maps.")]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where it runs.")]


@dataclass(frozen=True)
class RecordingOptions:
    """How a recording is read."""

    recording: Annotated[Path, typer.Argument(metavar="RECORDING", help="File or folder.")]
    format: Annotated[
        Literal["auto", "miceye", "egd-cxr", "reflacx", "generic"], typer.Option(help="Its format.")
    ] = "auto"
    positions: Annotated[
        Literal["pixels", "shares"],
        typer.Option(help="Generic: whether x and y are image pixels or shares of its size."),
    ] = "pixels"
    sample_rate_hz: Annotated[float, typer.Option(help="MicEye: samples per second.")] = 90.0
    master_sheet: Annotated[
        Path | None, typer.Option(help="EGD-CXR without X_ORIGINAL: master_sheet.csv.")
    ] = None


@dataclass(frozen=True)
class MapOptions:
    """How maps are drawn."""

    sigma: Annotated[float, typer.Option(help="Standard deviation of a fixation.")] = 1 / 30
    sigma_unit: Annotated[
        Literal["share", "px", "degrees"],
        typer.Option(help="share: of the longer side; px: image pixels; degrees: visual angle."),
    ] = "share"
    pixels_per_degree: Annotated[
        float | None, typer.Option(help="For degrees, where the recording does not tell.")
    ] = None
    map_size: Annotated[int, typer.Option(min=1, help="Rows and columns of a map.")] = 224

    def settings(self) -> MapSettings:
        """Return the options as `MapSettings`."""
        from gca_dali.gaze.maps import MapSettings

        side = self.map_size
        return MapSettings(self.sigma, self.sigma_unit, self.pixels_per_degree, side, side)


@dataclass(frozen=True)
class FitOptions:
    """How a predictor is trained."""

    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images.")] = 40
    batch_size: Annotated[int, typer.Option(min=2, help="Images per step.")] = 16
    input_px: Annotated[int, typer.Option(help="Side of the network's input.")] = 224
    encoder: Annotated[str, typer.Option(help="Encoder of the U-Net.")] = "tu-mobilenetv3_small_100"
    flip: Annotated[bool, typer.Option(help="Left and right mean the same.")] = False
    seed: SeedOption = 0


@command(app)
def maps(
    recording: RecordingOptions, source: SourceOptions, out: OutOption, drawing: MapOptions
) -> Report:
    """Turn a recording into maps of the images in a manifest."""
    from gca_dali.gaze.bulk import draw_maps
    from gca_dali.gaze.matching import ImageSizes
    from gca_dali.gaze.readers import read_fixations

    rows = source.open()
    fixations = read_fixations(
        recording.recording,
        recording.format,
        sample_rate_hz=recording.sample_rate_hz,
        master_sheet=recording.master_sheet,
        sizes=ImageSizes(rows.path.tolist(), rows.height, rows.width),
        positions=recording.positions,
    )
    folder, matched = draw_maps(fixations, rows, drawing.settings(), out)
    result = {
        "maps": len(folder),
        "out": str(out),
        "simulated": folder.simulated,
        "unmatched": matched.unmatched,
        **matched.fixations.report.as_dict(),
    }
    return Report(result, _show(result))


@command(app)
def simulate(
    source: SourceOptions,
    out: OutOption,
    reader: Annotated[
        Literal["knee", "boxes"], typer.Option(help="knee: from anatomy; boxes: from --boxes.")
    ] = "knee",
    boxes: Annotated[Path | None, typer.Option(help="CSV with path,x,y,w,h.")] = None,
    study: Annotated[
        bool,
        typer.Option(help="Draw the published study: 154/55/81/40/24 training knees of KL 0–4."),
    ] = False,
    seed: SeedOption = 0,
) -> Report:
    """Write a simulated recording (generic CSV): nobody looked, and it says so."""
    from gca_dali.gaze.boxes import read_boxes_csv
    from gca_dali.gaze.bulk import simulate_boxes, simulate_knees
    from gca_dali.gaze.study import draw_study

    if (reader == "boxes") != (boxes is not None):
        raise typer.BadParameter("--reader boxes and --boxes CSV go together.")
    if out.suffix != ".csv":
        raise typer.BadParameter(f"--out must end in .csv, got {out}. Rename it.")
    rows = source.open()
    if study:
        rows = rows.take(draw_study(rows.label, rows.columns.get("split"), seed=seed))
    if boxes is None:
        fixations = simulate_knees(rows, seed)
    else:
        fixations = simulate_boxes(rows, read_boxes_csv(boxes, rows), seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    fixations.save(out)
    result = {
        "images": len(rows),
        "out": str(out),
        "simulated": True,
        **fixations.report.as_dict(),
    }
    return Report(result, _show(result))


@command(app)
def fit(
    source: SourceOptions,
    maps: MapsOption,
    out: OutOption,
    training: FitOptions,
    data: Annotated[str, typer.Option(help="Origin and licence, for the card.")] = "Not stated.",
    device: DeviceOption = "auto",
) -> Report:
    """Train a predictor; writes it with a card (.md), a curve (.png) and resumes if cut off."""
    from gca_dali.gaze.augment import Augmentation
    from gca_dali.gaze.fit import fit_predictor
    from gca_dali.gaze.map_folder import MapFolder
    from gca_dali.gaze.network import NetworkConfig
    from gca_dali.gaze.report import write_report
    from gca_dali.gaze.training import FitSettings

    if out.suffix != ".safetensors":
        raise typer.BadParameter(f"--out must end in .safetensors, got {out}. Rename it.")
    settings = FitSettings(
        network=NetworkConfig(encoder=training.encoder, input_px=training.input_px),
        augmentation=Augmentation(flip=training.flip),
        num_epochs=training.epochs,
        batch_size=training.batch_size,
        seed=training.seed,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    found = fit_predictor(
        source.open(),
        MapFolder.open(maps),
        settings,
        device=device,
        state_path=out.with_name(f"{out.stem}.state.safetensors"),
    )
    found.predictor.save(out)
    write_report(found, out, title=f"Gaze predictor {out.stem}", data=data)
    facts = found.predictor.facts
    result = {
        "out": str(out),
        "fingerprint": found.predictor.fingerprint,
        "simulated": facts.simulated,
        "num_maps": facts.num_maps,
        "num_patients": facts.num_patients,
        "best_epoch": found.best_epoch + 1,
        "validation": facts.validation,
    }
    return Report(result, _show(result))


@command(app)
def evaluate(
    predictor: Annotated[str, typer.Argument(metavar="PREDICTOR", help="A file, or knee.")],
    source: SourceOptions,
    maps: MapsOption,
    fixations: Annotated[
        Path | None, typer.Option(help="Generic CSV; fixations.csv of the maps by default.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="CSV of the scores per image.")] = None,
    device: DeviceOption = "auto",
) -> Report:
    """Score a predictor beside the centre prior and the mean map that it learned from."""
    from gca_dali.gaze.map_folder import MapFolder
    from gca_dali.gaze.predictor import GazePredictor
    from gca_dali.gaze.scoring import score_predictor, write_scores

    folder = MapFolder.open(maps)
    found = score_predictor(GazePredictor.load(predictor, device), source.open(), folder, fixations)
    if out is not None:
        write_scores(out, found)
    result = {"simulated": folder.simulated, **found.as_dict()}
    return Report(result, _show_scores(result))


@command(app)
def predict(
    predictor: Annotated[str, typer.Argument(metavar="PREDICTOR", help="A file, or knee.")],
    source: SourceOptions,
    out: Annotated[
        Path | None,
        typer.Option(help="Write a folder of maps instead of filling the loader's table."),
    ] = None,
    device: DeviceOption = "auto",
) -> Report:
    """Predict every map ahead, into the table that the loader looks up, or into a folder."""
    from gca_dali.gaze.bulk import predict_maps
    from gca_dali.gaze.map_cache import MapCache
    from gca_dali.gaze.predicted import table_path
    from gca_dali.gaze.predictor import GazePredictor
    from gca_dali.prepare.fill import fill_table

    loaded, rows = GazePredictor.load(predictor, device), source.open()
    if out is None:
        # What is predicted ahead must outlive this process: a folder that keeps nothing is refused.
        MapCache.open(table_path(loaded, rows), len(rows))
        filled = fill_table(loaded, rows, device=device)
        out, refused, num_predicted = table_path(loaded, rows), filled.refused, filled.num_predicted
    else:
        folder, refused = predict_maps(loaded, rows, out)
        num_predicted = len(folder)
    result = {
        "maps": len(rows) - len(refused),
        "predicted_now": num_predicted,
        "out": str(out),
        "simulated": loaded.facts.simulated,
        "fingerprint": loaded.fingerprint,
        "refused": [{"path": item.path, "reason": item.reason} for item in refused],
    }
    return Report(result, _show(result))


def _show(result: dict[str, Any]) -> Table:
    """Return facts as two columns, lists by their length and first entries."""
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in result.items():
        if isinstance(value, (list, tuple)):
            shown = ", ".join(map(str, value[:5])) + (", …" if len(value) > 5 else "")
            value = f"{len(value)}: {shown}" if value else "none"
        elif isinstance(value, dict):
            value = json.dumps(value)
        table.add_row(name.replace("_", " "), Text(str(value)))
    return table


def _show_scores(result: dict[str, Any]) -> Table:
    """Return means with intervals: a metric per line, a source or a gain per column."""
    from rich.table import Table

    from gca_dali.gaze.card import NAMES

    columns = result["scores"] | result["gains"]
    kind = "simulated gaze" if result["simulated"] else "recorded gaze"
    table = Table("", *columns, title=f"{result['num_images']} images, {kind}")
    for metric in next(iter(columns.values())):
        entries = [by_metric[metric] for by_metric in columns.values()]
        cells = [f"{e['mean']:.3f}\n{e['ci95'][0]:.3f}…{e['ci95'][1]:.3f}" for e in entries]
        table.add_row(NAMES[metric], *cells)
    return table
