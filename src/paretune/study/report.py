"""Write the report of a study: figures, every training, pictures, and one page with everything."""

import json
from pathlib import Path

from paretune.plot.style import saved
from paretune.study import pictures
from paretune.study.animation import animation
from paretune.study.comparison import Study
from paretune.study.figures import Making, document, write_csv
from paretune.study.page import page


def write(study: Study, making: Making, folder: Path) -> dict[str, Path]:
    """Write everything into a folder, which is made; gives the files by what they are.

    Raises:
        OSError: they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = document(study, making)
    files = {"csv": folder / "results.csv", "json": folder / "study.json"}
    write_csv(study, figures, files["csv"])
    files["json"].write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    drawn = {
        "scatter": pictures.scatter(study),
        "attainment": pictures.attainment(study),
        "hypervolume": pictures.volumes(study),
    }
    for name, figure in drawn.items():
        if figure is not None:
            files[name] = folder / f"{name}.png"
            saved(figure, files[name])
    moving = animation(study)
    if moving is not None:
        files["animation"] = folder / "search.gif"
        files["animation"].write_bytes(moving)
    files["report"] = folder / "report.html"
    files["report"].write_text(page(study, figures, files), encoding="utf-8")
    return files
