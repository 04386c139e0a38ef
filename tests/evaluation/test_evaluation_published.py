"""The published comparison on the example photos: part of it repeated, to the last digit."""

from pathlib import Path

from mendpix.evaluation import reproduce

PUBLISHED = Path(__file__).parents[2] / "results" / "evaluation" / "examples-512"


def test_the_published_numbers_come_again(tmp_path: Path) -> None:
    models, metrics = ["telea", "navier-stokes", "mean-colour"], ["l1", "l2", "psnr"]
    found = reproduce(PUBLISHED, tmp_path / "again", models=models, metrics=metrics, limit=4)
    assert found.differences == []
    assert found.compared == 4 * len(models) * len(metrics)
