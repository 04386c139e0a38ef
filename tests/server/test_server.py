"""The HTTP API, asked as a program would, at a real server on the loopback."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile
from PIL import Image
from servers import HOLE, PHOTO, RunningServer, code, png, running, tiff16

from mendpix import __version__
from mendpix.inpainting import api
from mendpix.io.files import read

BOX = {"boxes": [[30, 10, 14, 10]]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two photos in it, one below."""
    place = tmp_path_factory.mktemp("photos")
    (place / "below").mkdir()
    (place / "a.png").write_bytes(png(PHOTO))
    (place / "below" / "b c.tif").write_bytes(tiff16())
    (place / "notes.txt").write_text("not a picture")
    return place


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    """A server with that folder."""
    with running(folder=folder) as found:
        yield found


def decode_image(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def form(**files: tuple[str, bytes]) -> dict[str, tuple[str, bytes]]:
    return files


def test_fill_of_a_form_is_what_the_library_fills(server: RunningServer) -> None:
    files = form(photo=("p.png", png(PHOTO)), mask=("m.png", png(HOLE)))
    answer = server.client.post("/api/v1/fill", files=files, data={"seed": "3"})
    expected = api.fill(PHOTO, HOLE, seed=3)
    assert (decode_image(answer) == expected).all()
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''p-filled.png"
    assert answer.headers["content-type"] == "image/png"
    assert float(answer.headers["x-mendpix-hole-ratio"]) == pytest.approx(140 / 3072, abs=1e-6)
    assert answer.headers["x-mendpix-largest-change"] == "0"


def test_fill_of_a_raw_body_takes_rectangles_or_a_stored_mask(server: RunningServer) -> None:
    sent = {"content": png(PHOTO), "headers": {"Content-Type": "image/png"}}
    boxed = server.client.post("/api/v1/fill?model=telea&box=30,10,14,10", **sent)
    mask = server.upload(png(HOLE))
    masked = server.client.post(f"/api/v1/fill?model=telea&mask={mask}", **sent)
    assert (decode_image(boxed) == decode_image(masked)).all()
    assert (decode_image(boxed) == api.fill(PHOTO, HOLE, model="telea")).all()


def test_sixteen_bits_come_back_and_known_values_are_the_same(server: RunningServer) -> None:
    files = form(photo=("scan.tif", tiff16()), mask=("m.png", png(HOLE)))
    answer = server.client.post("/api/v1/fill", files=files, data={"model": "telea"})
    before = tifffile.imread(io.BytesIO(tiff16()))
    after = tifffile.imread(io.BytesIO(answer.content))
    assert after.dtype == np.uint16
    assert (after[HOLE == 0] == before[HOLE == 0]).all()
    assert (after[HOLE > 0] != before[HOLE > 0]).any()


def test_metadata_and_orientation_are_kept(server: RunningServer, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "a bay", 6  # description; stored lying on its side
    Image.fromarray(PHOTO).save(tmp_path / "p.jpg", exif=exif, quality=95)
    hole = np.zeros((64, 48), np.uint8)
    hole[20:30, 10:20] = 255
    files = form(photo=("p.jpg", (tmp_path / "p.jpg").read_bytes()), mask=("m.png", png(hole)))
    answer = server.client.post("/api/v1/fill", files=files, data={"model": "telea"})
    found = Image.open(io.BytesIO(answer.content))
    assert (found.size, found.getexif()[0x010E], found.getexif()[0x0112]) == ((64, 48), "a bay", 6)
    assert float(answer.headers["x-mendpix-mean-change"]) < 2


def test_alpha_marks_the_hole(server: RunningServer) -> None:
    values = np.dstack([PHOTO, 255 - HOLE])
    sent = {"content": png(values), "headers": {"Content-Type": "image/png"}}
    answer = server.client.post("/api/v1/fill?model=telea&from_alpha=true", **sent)
    found = decode_image(answer)
    assert (found[..., 3] == 255).all()
    assert (found[HOLE == 0] == values[HOLE == 0]).all()


def test_warnings_come_with_the_answer(server: RunningServer) -> None:
    empty = form(photo=("p.png", png(PHOTO)), mask=("m.png", png(HOLE * 0)))
    answer = server.client.post("/api/v1/fill", files=empty)
    assert json.loads(answer.headers["x-mendpix-warnings"]) == [
        "the mask marks nothing: there is nothing to fill"
    ]
    assert (decode_image(answer) == PHOTO).all()


def test_a_picture_is_held_shown_and_forgotten(server: RunningServer) -> None:
    key = server.upload(tiff16(), "../../up\\scan <1>.tif")
    said = server.client.get(f"/api/v1/pictures/{key}").json()
    assert said == {
        "id": key, "name": "scan 1.tif", "format": "TIFF", "width": 64, "height": 48,
        "channels": 3, "bits": 16, "alpha": False, "bytes": len(tiff16()), "shown": False,
    }  # fmt: skip
    file = server.client.get(f"/api/v1/pictures/{key}/file")
    assert file.content == tiff16()
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''scan%201.tif"
    assert server.client.delete(f"/api/v1/pictures/{key}").status_code == 204
    gone = server.client.get(f"/api/v1/pictures/{key}")
    assert (gone.status_code, code(gone)) == (410, "gone")


def test_regions_are_in_full_size_pixels(server: RunningServer) -> None:
    values = tifffile.imread(io.BytesIO(tiff16()))
    key = server.upload(tiff16(), "scan.tif")
    box = {"left": 8, "top": 4, "width": 1000, "height": 16}
    found = decode_image(server.client.get(f"/api/v1/pictures/{key}/region", params=box))
    assert (found == values[4:20, 8:] >> 8).all()
    half = decode_image(
        server.client.get(f"/api/v1/pictures/{key}/region", params={**box, "level": 1})
    )
    blocks = (values[4:20, 8:] >> 8).reshape(8, 2, 28, 2, 3).mean(axis=(1, 3))
    assert np.abs(half - blocks).max() <= 1
    outside = {"left": 64, "top": 0, "width": 1, "height": 1}
    answer = server.client.get(f"/api/v1/pictures/{key}/region", params=outside)
    assert (answer.status_code, code(answer)) == (404, "not_found")


@pytest.mark.parametrize(("kind", "media"), [("webp", "webp"), ("jpeg", "jpeg"), ("png", "png")])
def test_previews_have_the_longer_side(server: RunningServer, kind: str, media: str) -> None:
    key = server.upload(png(np.dstack([PHOTO, HOLE])))
    params = {"side": 32, "format": kind}
    answer = server.client.get(f"/api/v1/pictures/{key}/preview", params=params)
    assert answer.headers["content-type"] == f"image/{media}"
    assert decode_image(answer).shape[:2] == (24, 32)
    grey = server.upload(png(PHOTO[..., 0]))
    assert decode_image(server.client.get(f"/api/v1/pictures/{grey}/preview", params=params)).size


def test_a_job_tries_several_seeds_and_tells_of_it(server: RunningServer) -> None:
    key = server.upload(png(PHOTO), "p.png")
    job = server.order(pictures=[key], seed=5, tries=2, **BOX).json()
    events = server.events(job["id"])
    assert {name for name, _ in events} <= {"state", "progress", "end"}
    name, end = events[-1]
    assert (name, end["state"], end["progress"], end["error"]) == ("end", "done", 1.0, None)
    assert [result["seed"] for result in end["results"]] == [5, 6]
    for result in end["results"]:
        assert (result["source"], result["hole"]) == (key, [30, 10, 14, 10])
        file = server.client.get(f"/api/v1/pictures/{result['picture']['id']}/file")
        assert (decode_image(file) == api.fill(PHOTO, HOLE, seed=result["seed"])).all()
    shares = [said["progress"] for name, said in events if name == "progress"]
    assert shares == sorted(shares)
    again = server.client.get(f"/api/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": "end"})
    assert again.status_code == 204  # an EventSource then stays away


def test_a_batch_fills_all_it_can_and_names_what_it_cannot(server: RunningServer) -> None:
    small = server.upload(png(PHOTO[:8, :8]))
    photo, mask = server.upload(png(PHOTO), "p.png"), server.upload(png(HOLE))
    order = {"pictures": [photo, small, photo], "folder": ["a.png", "below/b c.tif"]}
    job = server.order(**order, mask=mask, model="telea").json()
    end = server.events(job["id"])[-1][1]
    assert (end["state"], end["total"], len(end["results"])) == ("done", 5, 4)
    assert [error["source"] for error in end["errors"]] == [small]
    assert "mask is 64x48 but photo is 8x8" in end["errors"][0]["message"]
    packed = server.client.get(f"/api/v1/jobs/{job['id']}/zip")
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == [
            "a-filled.png", "b c-filled.tif", "p-filled-2.png", "p-filled.png",
        ]  # fmt: skip


def test_a_job_that_fails_says_why(server: RunningServer) -> None:
    key = server.upload(png(PHOTO))
    job = server.order(pictures=[key], boxes=[[0, 0, 64, 48]]).json()
    end = server.events(job["id"])[-1][1]
    assert (end["state"], end["error"]["code"]) == ("failed", "bad_request")
    assert "nothing is left to fill from" in end["error"]["message"]


def test_a_filled_picture_is_filled_again(server: RunningServer) -> None:
    key = server.upload(png(PHOTO), "p.png")
    first = server.order(pictures=[key], model="telea", **BOX).json()
    filled = server.events(first["id"])[-1][1]["results"][0]["picture"]
    assert (filled["name"], filled["format"]) == ("p-filled.png", "PNG")
    second = server.order(pictures=[filled["id"]], model="telea", boxes=[[0, 0, 4, 4]]).json()
    result = server.events(second["id"])[-1][1]["results"][0]["picture"]
    after = decode_image(server.client.get(f"/api/v1/pictures/{result['id']}/file"))
    assert (after[12:18, 32:40] != PHOTO[12:18, 32:40]).any()
    assert (after[30:] == PHOTO[30:]).all()


def test_what_cannot_be_written_comes_back_as_png(server: RunningServer) -> None:
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).quantize(16).save(buffer, "GIF")
    key = server.upload(buffer.getvalue(), "p.gif")
    job = server.order(pictures=[key], model="telea", **BOX).json()
    filled = server.events(job["id"])[-1][1]["results"][0]["picture"]
    assert (filled["name"], filled["format"], filled["shown"]) == ("p-filled.png", "PNG", True)
    file = server.client.get(f"/api/v1/pictures/{filled['id']}/file?inline=true")
    assert file.headers["content-type"] == "image/png"
    assert decode_image(file).shape == (48, 64, 3)


def test_the_folder_is_browsed(server: RunningServer) -> None:
    top = server.client.get("/api/v1/folder").json()
    assert (top["folders"], [one["path"] for one in top["pictures"]]) == (["below"], ["a.png"])
    below = server.client.get("/api/v1/folder", params={"path": "below"}).json()
    assert [one["path"] for one in below["pictures"]] == ["below/b c.tif"]
    small = server.client.get("/api/v1/folder/preview", params={"path": "below/b c.tif"})
    assert decode_image(small).shape == (48, 64, 3)
    taken = server.client.post("/api/v1/folder/open", json={"path": "below/b c.tif"})
    assert (taken.status_code, taken.json()["name"]) == (201, "b c.tif")


def test_models_have_options_and_cards(server: RunningServer) -> None:
    found = {one["name"]: one for one in server.client.get("/api/v1/models").json()["models"]}
    assert {"auto", "patchmatch", "telea", "migan"} <= set(found)
    radius = next(o for o in found["patchmatch"]["options"] if o["name"] == "radius")
    assert (radius["kind"], radius["default"], radius["least"], radius["most"]) == ("int", 3, 1, 6)
    card = server.client.get("/api/v1/models/migan").json()["card"]
    assert card["network"] == "migan"
    answer = server.client.get("/api/v1/models/nothing/like/it")
    assert (answer.status_code, code(answer)) == (404, "not_found")


def test_runs_are_offered_with_their_cards_and_fill(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from mendpix.networks import NETWORKS, serialization
    from mendpix.weights import cards

    torch.manual_seed(0)
    name = "partial-unet" if "partial-unet" in NETWORKS else next(iter(NETWORKS))
    network = NETWORKS[name]()
    (tmp_path / "first").mkdir()
    serialization.save(
        tmp_path / "first" / "best.safetensors", network, {"from_weights": "/secret/w.pth"}
    )
    with running(runs=tmp_path) as server:
        models_ = server.client.get("/api/v1/models").json()["models"]
        run = next(one for one in models_ if one["kind"] == "run")
        assert run["name"] == "runs/first"
        card = server.client.get("/api/v1/models/runs/first").json()["card"]
        kept = cards.read_card(tmp_path / "first" / "best.safetensors")
        assert card == {**kept, "from_weights": "w.pth"}
        files = form(photo=("p.png", png(PHOTO)), mask=("m.png", png(HOLE)))
        answer = server.client.post("/api/v1/fill", files=files, data={"model": "runs/first"})
        assert (decode_image(answer)[HOLE == 0] == PHOTO[HOLE == 0]).all()
        outside = server.client.post(
            "/api/v1/fill", files=files, data={"model": str(tmp_path / "first")}
        )
        assert (outside.status_code, code(outside)) == (404, "not_found")


def test_scratches_are_a_mask_of_the_pictures_size(server: RunningServer) -> None:
    photo = np.full((200, 300, 3), 120, np.uint8)
    photo[50:53, 80:83] = 255
    key = server.upload(png(photo), "old.png")
    params: dict[str, str | float] = {"picture": key, "sensitivity": 0.5}
    answer = server.client.post("/api/v1/scratches", params=params)
    found = decode_image(answer)
    assert (found.shape, answer.headers["x-mendpix-count"]) == ((200, 300), "1")
    assert found[51, 81] == 255 and found[0, 0] == 0
    sent = {"content": png(photo), "headers": {"Content-Type": "image/png"}}
    assert (decode_image(server.client.post("/api/v1/scratches", **sent)) == found).all()


def test_health_readiness_and_metrics(server: RunningServer) -> None:
    assert server.client.get("/health").json() == {"status": "alive"}
    server.until(lambda: server.client.get("/ready").status_code == 200)
    about = server.client.get("/api/v1/about").json()
    assert (about["version"], about["folder"]) == (__version__, True)
    text = server.client.get("/metrics").text
    assert 'mendpix_requests_total{method="GET",route="/health",status="200"}' in text
    assert "# TYPE mendpix_fill_seconds histogram" in text
    steps = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("mendpix_")]
    assert all(float(value) >= 0 for _, value in steps)


def test_the_page_and_the_reference_need_nothing_from_elsewhere(server: RunningServer) -> None:
    assert server.client.get("/").status_code == 200
    for path in ("/docs", "/reference/reference.js", "/reference/reference.css"):
        answer = server.client.get(path)
        assert answer.status_code == 200
        assert "https://" not in answer.text and "http://" not in answer.text
        tag = {"If-None-Match": answer.headers["etag"]}
        assert server.client.get(path, headers=tag).status_code == 304
    paths = server.client.get("/openapi.json").json()["paths"]
    assert {"/api/v1/fill", "/api/v1/jobs/{key}/events", "/health", "/metrics"} <= set(paths)


def test_what_a_client_can_get_wrong_is_said(server: RunningServer) -> None:
    files = form(photo=("p.png", png(PHOTO)), mask=("m.png", png(HOLE)))
    wrong = [
        ({"model": "no-such"}, 404, "not_found"),
        ({"options": '{"radius": 99}'}, 422, "bad_request"),
        ({"options": '{"guide": 1}'}, 422, "bad_request"),
        ({"options": "{"}, 422, "bad_request"),
        ({"seed": "-1"}, 422, "bad_request"),
        ({"sead": "1"}, 422, "bad_request"),
        ({"box": "1,2,3"}, 422, "bad_request"),
        ({"box": "1,2,3,4"}, 422, "mask"),
        ({"from_alpha": "true"}, 422, "mask"),
        ({"mask": "nobody"}, 422, "mask"),
        ({"source": "nobody"}, 410, "gone"),
        ({"keep_palette": "true"}, 422, "not_a_picture"),
    ]
    for data, status, what in wrong:
        answer = server.client.post("/api/v1/fill", files=files, data=data)
        assert (answer.status_code, code(answer)) == (status, what), data


@pytest.mark.parametrize("stored", [False, True])
def test_excluded_pixels_serve_no_patch(server: RunningServer, stored: bool) -> None:
    levels = np.full((60, 90, 3), (200, 30, 30), np.uint8)
    levels[:, 45:] = (30, 200, 30)
    hole, red = np.zeros((60, 90), np.uint8), np.zeros((60, 90), np.uint8)
    hole[20:35, 15:30], red[:, :47] = 255, 255
    data = {"model": "patchmatch"}
    parts = {"photo": ("p.png", png(levels)), "mask": ("m.png", png(hole))}
    if stored:
        data["exclude"] = server.upload(png(red))
    else:
        parts["exclude"] = ("x.png", png(red))
    answer = server.client.post("/api/v1/fill", files=form(**parts), data=data)
    filled = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert (filled[hole > 0] == (30, 200, 30)).all()
    if stored:
        job = server.order(
            pictures=[server.upload(png(levels))], mask=server.upload(png(hole)), **data
        ).json()
        (result,) = server.events(job["id"])[-1][1]["results"]
        assert (
            server.client.get(f"/api/v1/pictures/{result['picture']['id']}/file").content
            == answer.content
        )


def test_a_line_goes_on_through_the_hole(server: RunningServer) -> None:
    levels = np.full((60, 90, 3), 40, np.uint8)
    levels[30:] = 200
    hole = np.zeros((60, 90), np.uint8)
    hole[20:40, 35:55] = 255
    parts = form(photo=("p.png", png(levels)), mask=("m.png", png(hole)))
    data = {"model": "telea", "line": ["5,30,85,30", "45,5,45,12"]}
    answer = server.client.post("/api/v1/fill", files=parts, data=data)
    assert (answer.status_code, code(answer)) == (422, "mask")  # the second crosses no hole
    data["line"] = ["5,30,85,30"]
    answer = server.client.post("/api/v1/fill", files=parts, data=data)
    filled = np.asarray(Image.open(io.BytesIO(answer.content))).astype(int)
    assert np.abs(filled - levels)[23:38].max() <= 2


def test_jobs_are_checked_before_they_run(server: RunningServer) -> None:
    key = server.upload(png(PHOTO))
    for body, status in (
        ({"pictures": []}, 422),
        ({"pictures": ["nobody"], **BOX}, 410),
        ({"pictures": [key], **BOX, "tries": 99}, 422),
        ({"pictures": [key], **BOX, "model": "../../etc"}, 404),
        ({"pictures": [key], **BOX, "options": {"radius": "3"}}, 422),
        ({"pictures": [key], **BOX, "surprise": 1}, 422),
    ):
        answer = server.order(**body)
        assert answer.status_code == status, body
        code(answer)


def test_what_is_kept_has_a_limit() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    with running(keep=1) as server:
        first = server.upload(png(noise))
        second = server.upload(png(noise))
        third = server.upload(png(noise))
        assert server.client.get(f"/api/v1/pictures/{first}").status_code == 410
        assert server.client.get(f"/api/v1/pictures/{second}").status_code == 410 or (
            server.store.size <= 1 << 20
        )
        assert server.client.get(f"/api/v1/pictures/{third}").status_code == 200
        large = np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)
        answer = server.client.post(
            "/api/v1/pictures", content=png(large), headers={"Content-Type": "image/png"}
        )
        assert (answer.status_code, code(answer)) == (413, "too_large")


def test_the_written_file_is_the_command_lines(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "p.webp").write_bytes(_webp())
    api.fill(tmp_path / "p.webp", HOLE, model="telea", out=tmp_path / "out.webp")
    files = form(photo=("p.webp", _webp()), mask=("m.png", png(HOLE)))
    answer = server.client.post("/api/v1/fill", files=files, data={"model": "telea"})
    assert answer.content == (tmp_path / "out.webp").read_bytes()
    assert read(tmp_path / "out.webp").format == "WEBP"


def _webp() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()
