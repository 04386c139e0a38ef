"""The verb serve."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Argument, Option

from mendpix.cli import terminal


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(serve)


def serve(
    folder: Annotated[
        Path | None,
        Argument(help="Folder of pictures to browse.", envvar="MENDPIX_FOLDER", show_default=False),
    ] = None,
    runs: Annotated[
        Path | None,
        Option(metavar="FOLDER", help="Trained runs to offer.", envvar="MENDPIX_RUNS"),
    ] = None,
    host: Annotated[str, Option(help="Address to listen on.", envvar="MENDPIX_HOST")] = "127.0.0.1",
    port: Annotated[
        int, Option(min=0, max=65535, help="0 takes a free one.", envvar="MENDPIX_PORT")
    ] = 8000,
    token: Annotated[
        str,
        Option(
            help="Access token of every request; auto generates one.",
            envvar="MENDPIX_TOKEN",
            show_envvar=True,
        ),
    ] = "",
    open_: Annotated[
        bool,
        Option("--open", help="Accept other machines without a token.", envvar="MENDPIX_OPEN"),
    ] = False,
    host_name: Annotated[
        list[str] | None,
        Option(help="A further name of this server; repeat it.", envvar="MENDPIX_HOST_NAME"),
    ] = None,
    device: Annotated[
        str, Option(help="Of networks: auto, cpu, cuda, cuda:1, mps.", envvar="MENDPIX_DEVICE")
    ] = "auto",
    workers: Annotated[
        int, Option(min=1, max=64, help="Fills at once on a device.", envvar="MENDPIX_WORKERS")
    ] = 1,
    threads: Annotated[
        int | None,
        Option(min=1, help="Of each fill; all processors without it.", envvar="MENDPIX_THREADS"),
    ] = None,
    queue: Annotated[
        int, Option(min=0, help="Fills that may wait; more are refused.", envvar="MENDPIX_QUEUE")
    ] = 16,
    megabytes: Annotated[
        int, Option(min=1, help="Of the largest upload.", envvar="MENDPIX_MEGABYTES")
    ] = 256,
    megapixels: Annotated[
        float, Option(min=0.01, help="Of the largest picture.", envvar="MENDPIX_MEGAPIXELS")
    ] = 100.0,
    seconds: Annotated[
        float, Option(min=1, help="For one fill at most.", envvar="MENDPIX_SECONDS")
    ] = 600.0,
    patience: Annotated[
        float,
        Option(min=1, help="Seconds an upload may stall.", envvar="MENDPIX_PATIENCE"),
    ] = 20.0,
    keep: Annotated[
        int, Option(min=1, help="Megabytes of pictures kept in memory.", envvar="MENDPIX_KEEP")
    ] = 1024,
    log: Annotated[
        Literal["text", "json", "none"], Option(help="How to log.", envvar="MENDPIX_LOG")
    ] = "text",
) -> None:
    """Serve a page to brush out what you don't want, and an HTTP API, on this machine."""
    from mendpix import server

    settings = server.ServerSettings(
        folder=folder,
        runs=runs,
        host=host,
        port=port,
        token=token,
        open=open_,
        hosts=tuple(host_name or ()),
        device=device,
        workers=workers,
        threads=threads,
        queue=queue,
        megabytes=megabytes,
        megapixels=megapixels,
        seconds=seconds,
        patience=patience,
        keep=keep,
        log=log,
    )
    server.serve(settings, lambda address: terminal.print_line(f"mendpix listens at {address}"))
