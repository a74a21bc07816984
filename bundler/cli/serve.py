"""The command that serves a mirror."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bundler.cli.console import console
from bundler.cli.options import AsJson, Quiet, now
from bundler.cli.results import Said

_MOST_WORKERS = 4


def serve(
    mirror: Annotated[Path, typer.Argument(help="The mirror's folder.")],
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8080,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Processes that answer; one for each core, up to four."),
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Give up root's rights for this account's.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate chain, PEM.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key, PEM.")] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Only for clients with a certificate of this authority."),
    ] = None,
    http2: Annotated[
        bool, typer.Option("--http2", help="Offer HTTP/2, within TLS; see docs/serving.md first.")
    ] = False,
    auth: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Only for the names and tokens in this htpasswd file."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="Only for clients in this network. Repeatable."),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CIDR", help="Believe X-Forwarded-For of proxies in this network. Repeatable."
        ),
    ] = None,
    metrics_allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CIDR", help="Show /metrics to this network, too, not to this host alone."
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="N", min=0.01, help="At most N requests a second from one client, 10 N at once."
        ),
    ] = None,
    access_log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Add a line of JSON for each request; - is stderr."),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where the mirror is for its clients, behind a proxy."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Serve a mirror to pip, uv and others, read-only, until it is stopped.

    SIGTERM ends it when running downloads are done; SIGHUP reads certificate, key and names again.
    """
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.events import Noticed
        from bundler.mirror.account import become
        from bundler.mirror.clients import LOOPBACK, parse_networks
        from bundler.mirror.guard import Rules
        from bundler.mirror.layout import Mirror
        from bundler.mirror.serve import Serving, Tls, run

        if (tls_key or tls_client_ca or http2) and not tls_cert:
            raise typer.BadParameter("--tls-key, --tls-client-ca and --http2 need --tls-cert")
        rules = Rules(
            allow=parse_networks(allow or (), "--allow"),
            proxies=parse_networks(proxy or (), "--proxy"),
            metrics=LOOPBACK + parse_networks(metrics_allow or (), "--metrics-allow"),
        )
        serving = Serving(
            host=host,
            port=port,
            workers=workers or min(_MOST_WORKERS, os.cpu_count() or 1),
            tls=Tls(tls_cert, tls_key, tls_client_ca) if tls_cert else None,
            http2=http2,
            rules=rules,
            auth=auth,
            rate=rate,
            access_log=access_log,
            base_url=base_url and f"{base_url.rstrip('/')}/",
        )

        def ready(url: str) -> None:
            text = f"serving {mirror} at {url}\npip install --index-url {url}simple/ …"
            out.result(Said(text, {"url": url, "index": f"{url}simple/"}))

        become(user)
        run(Mirror.open(mirror), serving, now, ready, lambda text: out.observe(Noticed(text)))
