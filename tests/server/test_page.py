"""The page in a real browser: what a hand does, what is seen, and what comes out."""

import base64
import gzip
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import browser
import cv2
import numpy as np
import pytest
import servers
import tifffile
from browser import CONTROL, SHIFT, Pipe, Tab
from PIL import Image
from servers import RunningServer

from mendpix import server as serving
from mendpix.masks import holes

pytestmark = pytest.mark.skipif(
    browser.program() is None, reason="there is no Chromium on this machine"
)

SITE = Path(serving.__file__).parent / "page"
WIDTH, HEIGHT = 400, 300
IDLE = "document.getElementById('working').hidden"


def photo(seed: int = 5) -> np.ndarray:
    """A slope of colours with a dark spot at x 200, y 140: ``(300, 400, 3)`` uint8."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    slope = np.stack([60 + x / 4, 70 + y / 4, 150 - x / 8], axis=-1)
    slope += np.random.default_rng(seed).integers(0, 4, slope.shape)
    slope[np.hypot(y - 140, x - 200) < 4] = 20
    return slope.astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pictures")
    for name, seed in (("photo.png", 5), ("second.png", 6)):
        Image.fromarray(photo(seed)).save(place / name)
    return place


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    with servers.running(folder=folder) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Pipe]:
    with browser.running() as pipe:
        yield pipe


@pytest.fixture
def page(chromium: Pipe, server: RunningServer, tmp_path: Path) -> Iterator[Tab]:
    """The page, just loaded; at the end nothing may have been thrown or forbidden."""
    chromium.events.clear()
    tab = Tab(chromium, tmp_path)
    tab.size(1200, 800)
    tab.go(server.url)
    yield tab
    assert tab.complaints() == []
    tab.close()


def open_photo(page: Tab, path: Path) -> None:
    """Drop a picture on the page, and choose a quick filler."""
    page.drop(path)
    page.until(f"document.body.classList.contains('open') && {IDLE}")
    set_value(page, "model", "telea")


def set_value(page: Tab, name: str, value: str | float) -> None:
    """Give a field a value, as its user would."""
    page.js(
        f"(() => {{const f = document.getElementById({name!r}); f.value = {value!r};"
        "for (const e of ['input', 'change']) f.dispatchEvent(new Event(e))})()"
    )


@dataclass(frozen=True)
class Fitted:
    """Where a whole picture is on the screen, which fits with a margin."""

    x: float
    y: float
    scale: float

    def __call__(self, x: float, y: float) -> tuple[int, int]:
        """The screen's pixel at a place of the picture."""
        return round(self.x + x * self.scale), round(self.y + y * self.scale)

    def picture(self, x: int, y: int) -> tuple[float, float]:
        """The picture's place at a pixel of the screen."""
        return (x - self.x) / self.scale, (y - self.y) / self.scale


def places(page: Tab, width: int, height: int) -> Fitted:
    """How a picture of this size fits on the page's stage."""
    left, top, wide, high = page.js(
        "(() => {const r = document.getElementById('stage').getBoundingClientRect();"
        "return [r.x, r.y, r.width, r.height]})()"
    )
    margin = min(24, wide / 40)
    scale = min((wide - 2 * margin) / width, (high - 2 * margin) / height, 2)
    x0, y0 = left + (wide - width * scale) / 2, top + (high - height * scale) / 2
    return Fitted(x0, y0, scale)


def wait_for_fill(page: Tab, count: int) -> None:
    """Wait until so many fills are done."""
    page.until(f"document.querySelectorAll('#history li').length === {count + 1} && {IDLE}")


def save_and_read(page: Tab, button: str, name: str) -> bytes:
    """What a button downloads."""
    page.click(button)
    content = page.download(name)
    (page.downloads / name).unlink()
    return content


def read_grey(content: bytes) -> np.ndarray:
    """A mask file as a hole."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("L")) > 127


def check_colour(page: Tab, place: tuple[int, int], wanted: np.ndarray) -> None:
    """Wait until the screen shows a colour at a place; a lossy view comes before a sharp one."""
    x, y = place
    page.until(
        "(() => {const c = document.getElementById('photo'), r = c.getBoundingClientRect();"
        f"const d = c.getContext('2d').getImageData({x} - r.x, {y} - r.y, 1, 1).data;"
        f"return {wanted.tolist()}.every((v, i) => Math.abs(v - d[i]) <= 6)}})()"
    )


def distance(path: list[tuple[float, float]], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """From each pixel's centre to the nearest point of a line through places."""
    nearest = np.full(np.broadcast(x, y).shape, np.inf)
    for (ax, ay), (bx, by) in pairwise(path):
        dx, dy = bx - ax, by - ay
        along = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0, 1)
        nearest = np.minimum(nearest, np.hypot(x - ax - along * dx, y - ay - along * dy))
    return nearest


def agrees(hole: np.ndarray, far: np.ndarray, radius: float) -> bool:
    """Whether a hole is all that is within a radius, but for rounding on the very edge."""
    return bool(((hole == (far <= radius)) | (np.abs(far - radius) < 1e-3)).all())


def test_a_stroke_is_filled_undone_redone_and_downloaded(
    page: Tab, server: RunningServer, folder: Path
) -> None:
    open_photo(page, folder / "photo.png")
    at = places(page, WIDTH, HEIGHT)
    way = [at(100, 100), at(200, 140), at(260, 120)]
    page.drag(*way)
    path = [at.picture(*place) for place in way]
    radius = page.js("parseInt(document.getElementById('size-out').textContent)") / 2
    hole = read_grey(save_and_read(page, "#mask-down", "photo-mask.png"))
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    assert agrees(hole, distance(path, x, y), radius)
    inside, outside = at(200.5, 140.5), at(300.5, 220.5)
    original = photo()
    check_colour(page, inside, original[140, 200])
    page.click("#fill")
    wait_for_fill(page, 1)
    filled = save_and_read(page, "#download", "photo-filled.png")
    after = np.asarray(Image.open(io.BytesIO(filled)))
    np.testing.assert_array_equal(after[~hole], original[~hole])
    assert (after[hole] != original[hole]).any(axis=1).mean() > 0.5
    assert after[140, 200].min() > 80  # the spot is gone
    key = page.js("document.querySelector('#history li:last-child img').src").split("/")[6]
    assert server.client.get(f"/api/v1/pictures/{key}/file").content == filled
    check_colour(page, inside, after[140, 200])
    check_colour(page, outside, original[220, 300])
    page.key("z", CONTROL)
    check_colour(page, inside, original[140, 200])
    assert save_and_read(page, "#download", "photo.png") == (folder / "photo.png").read_bytes()
    np.testing.assert_array_equal(
        read_grey(save_and_read(page, "#mask-down", "photo-mask.png")), hole
    )
    page.key("Z", CONTROL | SHIFT)
    page.until("document.getElementById('redo').disabled")
    assert save_and_read(page, "#download", "photo-filled.png") == filled


def test_guides_are_drawn_undone_and_sent(page: Tab, folder: Path, tmp_path: Path) -> None:
    """An area that is excluded, and a line that goes on: neither marks anything to fill."""
    levels = np.full((HEIGHT, WIDTH, 3), (60, 90, 150), np.uint8)
    levels[150:] = (200, 190, 60)
    levels[:, :60] = (220, 30, 30)
    Image.fromarray(levels).save(tmp_path / "edge.png")
    open_photo(page, tmp_path / "edge.png")
    at = places(page, WIDTH, HEIGHT)
    page.key("n")
    page.drag(at(120, 150), at(280, 150))
    page.key("x")
    page.drag(at(30, 20), at(30, 280))
    assert page.js("document.getElementById('grow').disabled")  # nothing is marked yet
    page.key("t")
    page.drag(at(350, 40), at(350, 260))
    page.picture(tmp_path / "guides.png")
    page.key("z", CONTROL)
    page.key("b")
    page.drag(at(180, 150), at(200, 150), at(215, 150))
    hole = read_grey(save_and_read(page, "#mask-down", "edge-mask.png"))
    assert hole[150, 200] and not hole[:, :100].any() and not hole[:, 300:].any()
    set_value(page, "model", "patchmatch")
    page.picture(tmp_path / "marks.png")
    page.click("#fill")
    wait_for_fill(page, 1)
    filled = np.asarray(Image.open(io.BytesIO(save_and_read(page, "#download", "edge-filled.png"))))
    np.testing.assert_array_equal(filled[~hole], levels[~hole])
    assert np.abs(filled[hole].astype(int) - levels[hole]).mean() < 4
    order = page.js("performance.getEntriesByType('resource').map((one) => one.name).join()")
    assert order.count("/api/v1/pictures?") >= 3  # the photo, the mask and the excluded area


def test_before_and_after_are_compared(page: Tab, folder: Path) -> None:
    open_photo(page, folder / "photo.png")
    at, original = places(page, WIDTH, HEIGHT), photo()
    set_value(page, "model", "mean-colour")
    page.key("r")
    page.drag(at(20, 20), at(380, 280))
    page.key("f")
    wait_for_fill(page, 1)
    filled = np.asarray(
        Image.open(io.BytesIO(save_and_read(page, "#download", "photo-filled.png")))
    )
    left, right = at(40.5, 40.5), at(360.5, 260.5)
    before, after = (original[40, 40], original[260, 360]), (filled[40, 40], filled[260, 360])
    assert np.abs(before[0] - after[0].astype(int)).max() > 12
    assert np.abs(before[1] - after[1].astype(int)).max() > 12
    check_colour(page, left, after[0])
    page.key("s")
    check_colour(page, left, before[0])
    check_colour(page, right, after[1])
    for _ in range(4):
        page.key("PageUp")
    check_colour(page, right, before[1])
    page.key("Escape")
    check_colour(page, left, after[0])
    x, y = page.js(
        "(() => {const r = document.getElementById('hold').getBoundingClientRect();"
        "return [r.x + 9, r.y + 9]})()"
    )
    page.mouse("pressed", x, y, button="left", buttons=1, clickCount=1)
    check_colour(page, left, before[0])
    page.mouse("released", x, y, button="left", buttons=0, clickCount=1)
    check_colour(page, left, after[0])


def test_everything_goes_by_keyboard(page: Tab) -> None:
    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.key("Tab")
            if page.js(f"document.activeElement.matches({selector!r})"):
                return
        raise AssertionError(f"Tab never reaches {selector}")

    tab_to("#browse")
    page.key("Enter")
    page.until("document.querySelector('#folder-body .card:focus')")
    page.key("Enter")
    page.until(f"document.body.classList.contains('open') && {IDLE}")
    page.until("document.activeElement.id === 'stage'")
    page.key("r")
    page.key("Enter")
    for key in ("ArrowRight", "ArrowDown"):
        page.key(key, SHIFT)
    page.key("Enter")
    tab_to("#mask-down")
    page.key("Enter")
    hole = read_grey(page.download("photo-mask.png"))
    y, x = np.nonzero(hole)
    assert x.size == (x.max() - x.min() + 1) * (y.max() - y.min() + 1) == 25 * 25
    assert (x.min(), y.min()) == (WIDTH // 2, HEIGHT // 2)
    tab_to("#model")
    for _ in range(2):
        page.key("ArrowDown")
    assert page.js("document.getElementById('model').value") == "telea"
    tab_to("#undo")
    page.key("f")
    wait_for_fill(page, 1)
    page.key("z", CONTROL)
    page.until("!document.getElementById('redo').disabled")
    page.key("i")
    page.key("Delete")
    page.until("document.getElementById('mask-down').disabled")
    page.key("?")
    page.until("document.getElementById('help-dialog').open")
    page.key("Escape")
    page.until("!document.getElementById('help-dialog').open")


def test_all_that_can_be_used_has_a_name(page: Tab, folder: Path) -> None:
    open_photo(page, folder / "photo.png")
    page.ask("Accessibility.enable")
    for _ in range(50):  # the tree is made bit by bit
        nodes = page.ask("Accessibility.getFullAXTree")["nodes"]
        usable = [node for node in nodes if focusable(node)]
        if len(usable) > 25:
            break
    assert len(usable) > 25
    assert [node for node in usable if not node.get("name", {}).get("value")] == []
    page.ask("Accessibility.disable")


def focusable(node: dict[str, Any]) -> bool:
    """Whether a node of the accessibility tree can be used."""
    properties = {one["name"]: one["value"].get("value") for one in node.get("properties", [])}
    return bool(properties.get("focusable")) and node["role"]["value"] not in (
        "option",
        "RootWebArea",
    )


def test_a_phone_is_touched(page: Tab, folder: Path) -> None:
    page.size(320, 640, ratio=2, phone=True)
    open_photo(page, folder / "photo.png")
    assert page.js("document.documentElement.scrollWidth") == 320
    page.size(390, 780, ratio=2, phone=True)
    page.until("document.documentElement.scrollWidth === 390")
    page.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    at = places(page, WIDTH, HEIGHT)
    page.touch("start", at(100, 100))
    for x in (150, 200, 250):
        page.touch("move", at(x, 110))
    page.touch("end")
    page.until("!document.getElementById('mask-down').disabled")
    zoom = page.js("parseInt(document.getElementById('zoom').textContent)")
    page.touch("start", at(100, 200))
    page.touch("start", at(100, 200), at(200, 200))
    for more in (20, 40, 60):
        page.touch("move", at(100 - more, 200), at(200 + more, 200))
    page.touch("end")
    page.until(f"parseInt(document.getElementById('zoom').textContent) > 1.5 * {zoom}")
    page.click("#undo")
    page.until("document.getElementById('undo').disabled")  # the pinch drew nothing
    page.click("#redo")
    small = page.js(
        "[...document.querySelectorAll('.top button, .tools button, .bar button')]"
        ".map((b) => b.getBoundingClientRect()).filter((r) => r.width && "
        "(r.width < 34 || r.height < 34 || r.right > 390 || r.bottom > 780)).length"
    )
    assert small == 0
    page.click("#panel-toggle")
    page.until("document.getElementById('panel').getBoundingClientRect().height > 200")
    page.click("#panel-toggle")
    page.click("#fill")
    wait_for_fill(page, 1)


def test_two_languages_say_the_same(page: Tab, server: RunningServer) -> None:
    both = page.js(
        "Promise.all([import('/strings-en.js'), import('/strings-zh.js')])"
        ".then(([a, b]) => [a.EN, b.ZH])"
    )
    english, chinese = both
    assert english.keys() == chinese.keys()
    for key, said in english.items():
        assert names(said) == names(chinese[key]), key
    used = page.js(
        "[...document.querySelectorAll('[data-t], [data-label], [data-name]')]"
        ".flatMap((n) => [n.dataset.t, n.dataset.label, n.dataset.name]).filter(Boolean)"
    )
    assert set(used) <= english.keys()
    assert page.js("document.getElementById('pick').textContent.trim()") == english["pick"]
    set_value(page, "language", "zh-Hans")
    assert page.js("document.documentElement.lang") == "zh-Hans"
    assert page.js("document.getElementById('pick').textContent.trim()") == chinese["pick"]
    page.go(server.url)
    assert page.js("document.getElementById('undo').ariaLabel") == chinese["undo"]


def names(text: str) -> set[str]:
    """The {names} in a text."""
    return {part.split("}")[0] for part in text.split("{")[1:]}


def test_tries_stand_side_by_side(page: Tab, folder: Path) -> None:
    open_photo(page, folder / "photo.png")
    at = places(page, WIDTH, HEIGHT)
    set_value(page, "count", 2)
    page.drag(at(80, 80), at(120, 100))
    page.key("f")
    wait_for_fill(page, 1)
    page.until("document.querySelectorAll('.try').length === 2")
    page.click("#again")
    page.until(f"document.querySelectorAll('.try').length === 3 && {IDLE}")
    assert page.js("document.querySelector('.try:nth-child(3)').ariaChecked") == "true"
    page.click(".try:nth-child(1)")
    page.until("document.querySelector('.try:nth-child(1)').ariaChecked === 'true'")
    page.key("ArrowRight")
    page.until("document.querySelector('.try:nth-child(2)').ariaChecked === 'true'")
    page.click("#history li:first-child button")
    page.until(
        "document.getElementById('tries').hidden && !document.getElementById('redo').disabled"
    )


def test_pixels_of_a_mask_are_what_they_should_be(page: Tab) -> None:
    """Rasterised, dilated, flood-filled and encoded, against NumPy, OpenCV and Pillow."""
    width, height = 1100, 700  # more than one tile each way
    script = f"""(async () => {{
      const [{{Raster}}, mask, png] = await Promise.all(
        ['/raster.js', '/mask-pixels.js', '/png.js'].map((name) => import(name)));
      const text = async (raster) => btoa([...new Uint8Array(await (await png.encodePng(raster))
        .arrayBuffer())].map((c) => String.fromCharCode(c)).join(''));
      const raster = new Raster({width}, {height});
      raster.draw({{kind: 'stroke', erase: false, radius: 40.5,
        points: [300, 200, 700.5, 480.25, 610, 90]}});
      raster.draw({{kind: 'stroke', erase: true, radius: 12, points: [500, 340, 520, 360]}});
      const out = [await text(raster)];
      const more = new Raster({width}, {height});
      more.add(mask.dilate(raster, 7));
      out.push(await text(more));
      const ring = new Raster({width}, {height});
      ring.draw({{kind: 'polygon', erase: false,
        points: [200, 100, 900, 100, 900, 600, 200, 600]}});
      ring.draw({{kind: 'polygon', erase: true,
        points: [240, 140, 860, 140, 860, 560, 240, 560]}});
      out.push(await text(ring), mask.floodFill(ring, 100, 50), null);
      ring.add(mask.floodFill(ring, 512, 300));
      out[4] = await text(ring);
      ring.invert();
      out.push(await text(ring));
      return out;
    }})()"""
    found = page.js(script)
    stroke, more, ring, nothing, full, inverted = (
        None if one is None else read_grey(base64.b64decode(one)) for one in found
    )
    assert nothing is None  # outside the outline there is nothing to fill
    y, x = np.mgrid[:height, :width] + 0.5
    drawn = distance([(300, 200), (700.5, 480.25), (610, 90)], x, y) <= 40.5
    drawn &= ~(distance([(500, 340), (520, 360)], x, y) <= 12)
    assert stroke is not None and (stroke != drawn).sum() <= 2  # on the very edge
    np.testing.assert_array_equal(more, holes.dilate(stroke, 7))
    square = np.zeros((height, width), np.uint8)
    cv2.rectangle(square, (200, 100), (899, 599), 1, -1)
    cv2.rectangle(square, (240, 140), (859, 559), 0, -1)
    np.testing.assert_array_equal(ring, square > 0)
    cv2.rectangle(square, (200, 100), (899, 599), 1, -1)
    np.testing.assert_array_equal(full, square > 0)
    np.testing.assert_array_equal(inverted, square == 0)


def test_specks_are_found_as_a_mask_to_edit(page: Tab, folder: Path, tmp_path: Path) -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    scan = (90 + 60 * np.sin(x / 40) * np.cos(y / 50))[..., None].repeat(3, 2).astype(np.uint8)
    scratch = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.line(scratch, (60, 40), (330, 220), 1, 2)
    scan[scratch > 0] = 245
    Image.fromarray(scan).save(tmp_path / "scan.png")
    open_photo(page, tmp_path / "scan.png")
    page.click("#specks")
    page.until(f"!document.getElementById('mask-down').disabled && {IDLE}")
    hole = read_grey(save_and_read(page, "#mask-down", "scan-mask.png"))
    assert hole[scratch > 0].mean() > 0.9
    assert hole.mean() < 0.05
    page.key("z", CONTROL)
    page.until("document.getElementById('mask-down').disabled")


def test_a_mask_goes_in_and_comes_out(page: Tab, folder: Path, tmp_path: Path) -> None:
    open_photo(page, folder / "photo.png")
    hole = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(hole, (150, 120), 30, 255, -1)
    Image.fromarray(hole).save(tmp_path / "mask.png")
    page.choose("#mask-up", tmp_path / "mask.png")
    page.until(f"!document.getElementById('mask-down').disabled && {IDLE}")
    np.testing.assert_array_equal(
        read_grey(save_and_read(page, "#mask-down", "photo-mask.png")), hole > 0
    )
    page.click("#grow")
    grown = read_grey(save_and_read(page, "#mask-down", "photo-mask.png"))
    np.testing.assert_array_equal(grown, holes.dilate(hole > 0, 4))
    page.click("#invert")
    np.testing.assert_array_equal(
        read_grey(save_and_read(page, "#mask-down", "photo-mask.png")), ~grown
    )
    Image.fromarray(hole[:100]).save(tmp_path / "small.png")
    page.choose("#mask-up", tmp_path / "small.png")
    page.until("document.getElementById('toast').textContent.includes('400 × 100')")


def test_what_cannot_be_opened_is_said(page: Tab, tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    page.drop(tmp_path / "empty.png")
    page.until("document.getElementById('toast').textContent === 'empty.png is empty.'")
    with (tmp_path / "large.tif").open("wb") as file:
        file.truncate(300 << 20)
    page.drop(tmp_path / "large.tif")
    page.until("/larger than the 268 MB/.test(document.getElementById('toast').textContent)")


def test_pictures_come_in_by_choice_and_paste(page: Tab, folder: Path) -> None:
    page.choose("#pick", folder / "photo.png")
    page.until(f"document.getElementById('name').textContent.startsWith('photo.png') && {IDLE}")
    content = base64.b64encode((folder / "second.png").read_bytes()).decode()
    page.js(
        "(async () => {const data = new DataTransfer();"
        f"const blob = await (await new Response(Uint8Array.from(atob('{content}'),"
        "(c) => c.charCodeAt(0)))).blob();"
        "data.items.add(new File([blob], 'pasted.png', {type: 'image/png'}));"
        "document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}))})()"
    )
    page.until(f"document.getElementById('name').textContent.startsWith('pasted.png') && {IDLE}")


def test_wheel_and_space_move_zoom_and_size(page: Tab, folder: Path) -> None:
    open_photo(page, folder / "photo.png")
    at = places(page, WIDTH, HEIGHT)
    spot, beside = at(200.5, 140.5), at(240.5, 140.5)
    check_colour(page, spot, photo()[140, 200])
    page.mouse("wheel", *spot, deltaX=0, deltaY=-400)
    page.until("parseInt(document.getElementById('zoom').textContent) > 300")
    check_colour(page, spot, photo()[140, 200])  # what is under the mouse stays there
    size = page.js("parseInt(document.getElementById('size-out').textContent)")
    page.mouse("wheel", *spot, deltaX=0, deltaY=-100, modifiers=SHIFT)
    page.until(f"parseInt(document.getElementById('size-out').textContent) > {size}")
    page.key("[")
    page.js("document.getElementById('stage').focus()")
    page.ask("Input.dispatchKeyEvent", type="keyDown", key=" ", text=" ", windowsVirtualKeyCode=32)
    page.drag(spot, beside)
    page.ask("Input.dispatchKeyEvent", type="keyUp", key=" ", windowsVirtualKeyCode=32)
    check_colour(page, beside, photo()[140, 200])
    assert page.js("document.getElementById('undo').disabled")  # nothing was drawn
    page.key("0")
    check_colour(page, spot, photo()[140, 200])


def test_16_bits_are_seen_filled_and_kept(page: Tab, tmp_path: Path) -> None:
    deep = photo().astype(np.uint16) * 257 + np.arange(WIDTH, dtype=np.uint16)[None, :, None] % 64
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb")
    open_photo(page, tmp_path / "deep.tif")
    at = places(page, WIDTH, HEIGHT)
    check_colour(page, at(200.5, 140.5), photo()[140, 200])
    page.key("r")
    page.drag(at(190, 130), at(210, 150))
    hole = read_grey(save_and_read(page, "#mask-down", "deep-mask.png"))
    page.key("f")
    wait_for_fill(page, 1)
    after = tifffile.imread(io.BytesIO(save_and_read(page, "#download", "deep-filled.tif")))
    assert after.dtype == np.uint16
    np.testing.assert_array_equal(after[~hole], deep[~hole])
    check_colour(page, at(200.5, 140.5), (after[140, 200] // 257).astype(np.uint8))


def test_a_fill_is_cancelled(page: Tab, tmp_path: Path) -> None:
    (tmp_path / "noise.png").write_bytes(servers.big())
    open_photo(page, tmp_path / "noise.png")
    at = places(page, 480, 480)
    set_value(page, "model", "patchmatch")
    for name, value in servers.SLOW["options"].items():
        set_value(page, f"option-{name}", value)
    page.key("r")
    page.drag(at(60, 60), at(420, 420))
    page.key("f")
    page.until("!document.getElementById('cancel').hidden")
    page.click("#cancel")
    page.until(IDLE)
    assert page.js("document.querySelectorAll('#history li').length") == 1
    assert page.js("!document.getElementById('mask-down').disabled")  # the mask is still there


def test_many_pictures_are_filled_alike(page: Tab, server: RunningServer, folder: Path) -> None:
    open_photo(page, folder / "photo.png")
    at = places(page, WIDTH, HEIGHT)
    page.drag(at(80, 80), at(120, 100))
    hole = read_grey(save_and_read(page, "#mask-down", "photo-mask.png"))
    page.click("#batch")
    page.click("#batch-body .choices button:nth-child(2)")
    page.until("document.querySelectorAll('#batch-body .card').length === 2")
    page.click("#batch-body .card:nth-child(1)")
    page.until("document.querySelectorAll('#batch-body .entries li').length === 1")
    page.choose("#batch-body .choices button", folder / "second.png", folder / "photo.png")
    page.until("document.querySelectorAll('#batch-body .entries li').length === 3")
    page.click("#batch-body > .choices .primary")
    page.until("document.querySelectorAll('#batch-body .entries a').length === 3")
    page.key("Escape")
    page.click("#batch")  # closed and opened again, what was filled is still there
    archive = zipfile.ZipFile(io.BytesIO(save_and_read(page, "#save-all", "filled.zip")))
    links = page.js("[...document.querySelectorAll('#batch-body a')].map((a) => a.href)")
    files = [server.client.get(link).content for link in links]
    assert [archive.read(name) for name in archive.namelist()] == files
    assert len(set(archive.namelist())) == 3
    for content, seed in zip(files, (6, 5, 5), strict=True):
        after = np.asarray(Image.open(io.BytesIO(content)))
        np.testing.assert_array_equal(after[~hole], photo(seed)[~hole])
        assert (after[hole] != photo(seed)[hole]).any()


def test_a_trained_run_is_offered_with_its_card(
    chromium: Pipe, folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from mendpix import training

    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in range(8):
        Image.fromarray(photo(seed)).save(photos / f"{seed}.png")
    (photos / "manifest.csv").write_text(
        "file,licence\n" + "".join(f"{seed}.png,CC0 1.0\n" for seed in range(8))
    )
    small = ["validate_count=2", "network.options.width=8", "network.options.bottleneck=16"]
    run = tmp_path / "runs" / "first"
    training.train(
        photos, run, "context-encoder-random-tiny", overrides={"steps": 2, "batch": 2}, sets=small
    )
    with servers.running(runs=tmp_path / "runs") as server:
        tab = Tab(chromium, tmp_path)
        tab.size(1200, 800)
        tab.go(server.url)
        open_photo(tab, folder / "photo.png")
        set_value(tab, "model", "runs/first")
        tab.click("#card")
        tab.until("document.querySelectorAll('#card-body details').length === 2")
        said = tab.js("document.getElementById('card-body').innerText")
        assert "context-encoder-random, 2 steps, 4 pictures" in said
        for part in ("CC0 (4)", "2 steps, 64 pixels, batches of 2, adam", "0.999 × reconstruction"):
            assert part in said
        assert str(tmp_path) not in tab.js("document.documentElement.outerHTML")
        tab.click("#card-body details:last-child summary")
        tab.until("document.querySelectorAll('#card-body .entries li').length === 4")
        tab.key("Escape")
        at = places(tab, WIDTH, HEIGHT)
        tab.drag(at(180, 130), at(220, 150))
        hole = read_grey(save_and_read(tab, "#mask-down", "photo-mask.png"))
        tab.key("f")
        wait_for_fill(tab, 1)
        after = np.asarray(
            Image.open(io.BytesIO(save_and_read(tab, "#download", "photo-filled.png")))
        )
        np.testing.assert_array_equal(after[~hole], photo()[~hole])
        assert (after[hole] != photo()[hole]).any()
        tab.close()


def test_heic_is_seen_and_filled(page: Tab, server: RunningServer, tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    writer = pytest.importorskip("pillow_heif", reason="nothing here writes HEIC files")
    image = Image.fromarray(photo())
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    image.info["exif"] = exif.tobytes()
    writer.from_pillow(image).save(tmp_path / "phone.heic", quality=-1)
    shown = np.asarray(writer.open_heif(tmp_path / "phone.heic").to_pillow())
    open_photo(page, tmp_path / "phone.heic")
    at = places(page, WIDTH, HEIGHT)
    check_colour(page, at(300.5, 220.5), shown[220, 300])
    page.key("r")
    page.drag(at(190, 130), at(210, 150))
    hole = read_grey(save_and_read(page, "#mask-down", "phone-mask.png"))
    page.key("f")
    wait_for_fill(page, 1)
    content = save_and_read(page, "#download", "phone-filled.png")
    after = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(after[~hole], shown[~hole])
    assert Image.open(io.BytesIO(content)).getexif()[0x010F] == "Maker"
    assert after[140, 200].min() > 80


def open_and_mark(chromium: Pipe, url: str, photo: Path, downloads: Path) -> Tab:
    """A tab with a photo open and a stroke on it."""
    tab = Tab(chromium, downloads)
    tab.size(1200, 800)
    tab.go(url)
    open_photo(tab, photo)
    at = places(tab, WIDTH, HEIGHT)
    tab.drag(at(80, 80), at(120, 100))
    return tab


def test_a_busy_server_is_asked_again(chromium: Pipe, folder: Path, tmp_path: Path) -> None:
    with servers.running(queue=0) as server:
        tab = open_and_mark(chromium, server.url, folder / "photo.png", tmp_path)
        job = server.slow_job(detached=True)
        server.until(lambda: server.job(job["id"])["state"] == "running")
        tab.key("f")
        waits = "/busy/.test(document.getElementById('working-text').textContent)"
        tab.until(waits)
        tab.key("Escape")  # not to wait is possible as well
        tab.until(IDLE)
        tab.key("f")
        tab.until(waits)
        server.client.delete(f"/api/v1/jobs/{job['id']}")
        wait_for_fill(tab, 1)
        tab.close()


def test_a_server_started_anew_gets_the_picture_again(
    chromium: Pipe, folder: Path, tmp_path: Path
) -> None:
    with servers.running() as server:
        tab = open_and_mark(chromium, server.url, folder / "photo.png", tmp_path)
        hole = read_grey(save_and_read(tab, "#mask-down", "photo-mask.png"))
        for key in list(server.store._stored):
            server.store.delete(key)
        tab.key("f")
        tab.until("/again with your marks/.test(document.getElementById('toast').textContent)")
        np.testing.assert_array_equal(
            read_grey(save_and_read(tab, "#mask-down", "photo-mask.png")), hole
        )
        tab.key("f")
        wait_for_fill(tab, 1)
        tab.close()


def test_24_megapixels_are_painted_at_full_resolution(page: Tab, tmp_path: Path) -> None:
    width, height = 6000, 4000
    y, x = np.arange(height)[:, None], np.arange(width)[None]
    large = ((x >> 5) + (y >> 5)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "large.png"), large, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    open_photo(page, tmp_path / "large.png")
    at = places(page, width, height)
    set_value(page, "size", 75.0)
    radius = page.js("parseInt(document.getElementById('size-out').textContent)") / 2
    assert 140 < radius < 170
    way = [at(800, 700), at(5100, 1500), at(2500, 3300)]
    page.drag(*way)
    path = [at.picture(*place) for place in way]
    hole = read_grey(save_and_read(page, "#mask-down", "large-mask.png"))
    assert hole.shape == (height, width)
    far = distance(path, x[:, 5::16] + 0.5, y[3::16] + 0.5)
    assert agrees(hole[3::16, 5::16], far, radius)


def test_the_page_is_light() -> None:
    files = [path for path in SITE.iterdir() if path.is_file()]
    assert len(files) > 20
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in files) <= 300_000
