"""Every operation of the OpenAPI description, with values good and bad: no 5xx, only JSON."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import HOLE, PHOTO, RunningServer, code, png, running

from mendpix.server import app
from mendpix.server.middleware import SecurityMiddleware
from mendpix.server.settings import ServerSettings

METHODS = ("get", "post", "delete", "put", "patch")


def description() -> dict[str, Any]:
    """The OpenAPI description."""
    middleware = app.create_app(ServerSettings())
    assert isinstance(middleware, SecurityMiddleware)
    found: dict[str, Any] = middleware.app.openapi()  # type: ignore[attr-defined]
    return found


API = description()
OPERATIONS = [
    (method, path, operation)
    for path, methods in API["paths"].items()
    for method, operation in methods.items()
    if path != "/metrics" and not path.endswith("/events")  # long, and without parameters
]
STRANGE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", "../../etc/passwd", "\x00", "%00", "null", "NaN", "Infinity", "-1", "1e400", "{}",
         "[]", "9" * 400, "true", "auto", "telea", "' OR 1=1", "<script>", "\ud7ff", "a" * 2000]
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("photos")
    (folder / "a.png").write_bytes(png(PHOTO))
    with running(folder=folder, megabytes=1, megapixels=0.5, seconds=20) as found:
        yield found


def resolve_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its reference followed."""
    while "$ref" in schema:
        schema = API["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def values(schema: dict[str, Any], ids: list[str]) -> st.SearchStrategy[Any]:
    """Values that a schema allows, more or less."""
    schema = resolve_schema(schema)
    kinds = schema.get("anyOf")
    if kinds:
        return st.one_of([values(kind, ids) for kind in kinds])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if kind == "integer":
        return st.integers(schema.get("minimum", -5), min(schema.get("maximum", 70), 70))
    if kind == "number":
        return st.floats(schema.get("minimum", 0), schema.get("maximum", 1))
    if kind == "array":
        items = resolve_schema(schema.get("items", {}))
        least = schema.get("minItems", 0)
        most = max(least, min(schema.get("maxItems", 3), 4))
        each = values(schema["prefixItems"][0] if "prefixItems" in schema else items, ids)
        return st.lists(each, min_size=least, max_size=most)
    if kind == "object" and "properties" in schema:
        optional = {name: values(one, ids) for name, one in schema["properties"].items()}
        return st.fixed_dictionaries({}, optional=optional)
    if kind == "object":
        return st.dictionaries(st.sampled_from(["radius", "x"]), st.integers(0, 5), max_size=1)
    simple = {"boolean": st.booleans(), "null": st.none()}
    return simple.get(str(kind), st.sampled_from([*ids, "telea", "a.png", "mean-colour"]))


def replace_by_chance(draw: st.DrawFn, value: Any) -> Any:
    """The value, or now and then something that no schema allows."""
    return draw(STRANGE) if draw(st.integers(0, 4)) == 0 else value


@st.composite
def calls(draw: st.DrawFn, operation: dict[str, Any], path: str, ids: list[str]) -> dict[str, Any]:
    """Address, parameters and body of a call."""
    params = {}
    for one in operation.get("parameters", []):
        value = replace_by_chance(draw, draw(values(one["schema"], ids)))
        if one["in"] == "path":
            path = path.replace(f"{{{one['name'].split(':')[0]}}}", quote(str(value), safe=""))
        elif one.get("required") or draw(st.booleans()):
            params[one["name"]] = value if isinstance(value, str | list) else json.dumps(value)
    return {"url": path, "params": params, **draw(bodies(operation, ids))}


@st.composite
def bodies(draw: st.DrawFn, operation: dict[str, Any], ids: list[str]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        body = draw(values(content["application/json"]["schema"], ids))
        return {"json": {key: replace_by_chance(draw, value) for key, value in body.items()}}
    if not content:
        return {}
    photo = draw(st.sampled_from([png(PHOTO), png(PHOTO)[:300], b"", b"\x00" * 50, png(HOLE)]))
    if draw(st.booleans()):
        kind = draw(st.sampled_from(["image/png", "application/octet-stream", "text/plain", ""]))
        return {"content": photo, "headers": {"Content-Type": kind}}
    files = {"photo": ("p.png", photo), "mask": ("m.png", draw(st.sampled_from([png(HOLE), b"x"])))}
    return {"files": files, "data": {"model": replace_by_chance(draw, "telea")}}


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    OPERATIONS,
    ids=[f"{method} {path}" for method, path, _ in OPERATIONS],
)
def test_no_call_makes_the_server_fail(
    server: RunningServer, method: str, path: str, operation: dict[str, Any]
) -> None:
    picture, mask = server.upload(png(PHOTO)), server.upload(png(HOLE))

    @settings(
        max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.data())
    def call(data: st.DataObject) -> None:
        sent = data.draw(calls(operation, path, [picture, mask]))
        try:
            answer = server.client.request(method, **sent)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeEncodeError):
            return  # the client itself refuses to send it
        assert answer.status_code < 500 or answer.json()["error"]["code"] == "shutting_down", sent
        if answer.status_code >= 400:
            code(answer)

    if path == "/ready":
        server.until(lambda: server.client.get("/ready").status_code == 200)
    call()
    assert not list(Path().glob("*.part"))


@pytest.mark.parametrize("path", sorted(API["paths"]))
def test_methods_that_are_not_described_are_refused(server: RunningServer, path: str) -> None:
    for method in set(METHODS) - set(API["paths"][path]):
        answer = server.client.request(method, path.replace("{", "").replace("}", ""))
        assert (answer.status_code, code(answer)) == (405, "not_allowed")
        assert answer.headers["allow"] == ", ".join(sorted(map(str.upper, API["paths"][path])))
