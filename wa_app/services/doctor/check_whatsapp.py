"""Whether WhatsApp can be reached, with the right clock and the right library."""

from collections.abc import Iterator
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from wa_app.config import ROOT
from wa_app.domain.alerts import clock_is_wrong
from wa_app.domain.sessions.states import Channel, Hold
from wa_app.extensions import db
from wa_app.gateways.base import Reach
from wa_app.models import Connection
from wa_app.services.doctor.findings import PATIENCE, Case, Finding, ill, well
from wa_app.services.waiting import in_background

REQUIREMENTS = ROOT / "requirements.txt"


def check_whatsapp(case: Case) -> Iterator[Finding]:
    """Every way that is in use, side by side."""
    probe = case.gateways.probes[Channel.WHATSAPP]
    reaches = [in_background(partial(probe.reach, way)) for way in _routes(case)]
    for reach in (one.result(PATIENCE) for one in reaches):
        proxy = reach.proxy
        if reach.failed is not None:
            yield ill(f"{reach.failed}_failed", proxy=proxy)
        else:
            yield well("through_proxy", proxy=proxy) if proxy else well("directly")


def _routes(case: Case) -> list[str | None]:
    usual = case.settings.whatsapp_proxy or None
    own = select(Connection.proxy).distinct()
    in_use = own.where(Connection.channel == Channel.WHATSAPP, Connection.deleted_at.is_(None))
    try:
        proxies = {proxy or usual for proxy in db.session.scalars(in_use)}
    except SQLAlchemyError:  # the usual way can be tried without it
        proxies = set()
    return sorted({usual, *proxies}, key=str)


def check_clock(case: Case) -> Iterator[Finding]:
    """Against WhatsApp's: a login is refused when they are far apart."""
    probe = case.gateways.probes[Channel.WHATSAPP]
    reach: Reach = probe.reach(case.settings.whatsapp_proxy or None)
    if reach.date is None:
        yield well("unknown")
        return
    now = case.now
    skew = round(abs(now - reach.date).total_seconds())
    yield ill("off", seconds=skew) if clock_is_wrong(now, reach.date) else well("right")


def check_library(case: Case) -> Iterator[Finding]:
    parts = case.gateways.components()
    installed, pinned = parts.get("neonize"), _pinned("neonize")
    if installed is None:
        yield ill("missing", pinned=pinned or "")
    elif pinned is not None and installed != pinned:
        yield ill("other", neonize=installed, pinned=pinned)
    else:
        yield well("right", neonize=installed, whatsmeow=parts.get("whatsmeow") or "?")


def _pinned(package: str) -> str | None:
    """None where the requirements were not delivered with the code."""
    try:
        lines = REQUIREMENTS.read_text().splitlines()
    except FileNotFoundError:
        return None
    return next((line.split("==")[1] for line in lines if line.startswith(f"{package}==")), None)


def check_protocol(_case: Case) -> Iterator[Finding]:
    held = select(func.count()).where(
        Connection.hold == Hold.CLIENT_OUTDATED, Connection.deleted_at.is_(None)
    )
    count = db.session.scalar(held)
    yield ill("outdated", count=count) if count else well("accepted")
