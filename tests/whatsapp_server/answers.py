"""What the server answers to the clients' requests (iq stanzas).

One table: namespace, type and first child of a request → the content of the result. A request
that is not in it gets an empty result, which is enough to end the client's wait.
Sources: whatsmeow prekeys.go, user.go, keepalive.go, mediaconn.go, appstate.go, privacysettings.go,
pair-code.go; observed with neonize 0.5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from .app_state import COLLECTION, AppState
from .binary_xml import PHONE_SERVER, Attributes, Jid, Node
from .people import Device, bundle_nodes, parse_key, parse_signed_key

if TYPE_CHECKING:
    from .connection import Connection

Content = Sequence[Node] | None
Answer = Callable[["Connection", Node], Content]

PRIVACY = {"last": "all", "online": "all", "profile": "all", "status": "all", "readreceipts": "all"}


def answer(connection: Connection, iq: Node) -> Content:
    child = iq.children[0].tag if iq.children else ""
    known = ANSWERS.get((iq.text("xmlns"), iq.text("type"), child))
    return known(connection, iq) if known else None


def _device(connection: Connection) -> Device:
    assert connection.device, "only a logged-in client asks this"
    return connection.device


# --- keys --------------------------------------------------------------------


def key_count(connection: Connection, _: Node) -> Content:
    """How many one-time keys are left: fewer than five make the client upload more."""
    left = _device(connection).one_time
    count = connection.server.initial_key_count if left is None else len(left)
    return [Node("count", {"value": count})]


def take_keys(connection: Connection, iq: Node) -> Content:
    device = _device(connection)
    keys = dict(parse_key(key) for key in iq.need("list").children)
    device.one_time = (device.one_time or {}) | keys
    device.signed_key = parse_signed_key(iq.need("skey"))
    connection.note("keys", count=len(keys))
    return None


def bundles(connection: Connection, iq: Node) -> Content:
    users = [_bundle(connection, user.jid("jid")) for user in iq.need("key").children]
    return [Node("list", {}, users)]


def _bundle(connection: Connection, jid: Jid) -> Node:
    person = connection.server.person(jid)
    if person is None or jid.device:
        return Node("user", {"jid": jid}, [Node("error", {"code": 404, "text": "item-not-found"})])
    bundle = person.party.bundle()
    registration = Node("registration", {}, bundle.registration_id.to_bytes(4, "big"))
    return Node("user", {"jid": jid}, [registration, *bundle_nodes(bundle)])


# --- people ------------------------------------------------------------------


def usync(connection: Connection, iq: Node) -> Content:
    """Who is on WhatsApp, under which LID and with which devices."""
    request = iq.need("usync")
    asked = [node.tag for node in request.need("query").children]
    users = [_user(connection, user, asked) for user in request.need("list").children]
    return [Node("usync", request.attributes, [Node("list", {}, users)])]


def _user(connection: Connection, user: Node, asked: Sequence[str]) -> Node:
    number = user.child("contact")
    jid = Jid(number.data.decode().lstrip("+"), PHONE_SERVER) if number else user.jid("jid")
    known = connection.server.person(jid) is not None
    facts: dict[str, Callable[[], Node | None]] = {
        "contact": lambda: Node("contact", {"type": "in" if known else "out"}),
        "lid": lambda: _lid(connection, jid),
        "devices": lambda: _devices(connection, jid),
        "status": lambda: Node("status", {}, b""),
    }
    told = [facts[name]() for name in asked if name in facts]
    return Node("user", {"jid": jid}, [node for node in told if node])


def _lid(connection: Connection, jid: Jid) -> Node | None:
    person = connection.server.person(jid)
    return Node("lid", {"val": person.lid}) if person else None


def _devices(connection: Connection, jid: Jid) -> Node | None:
    """The phone and, of the own account, the device that asks: no others are played here."""
    person = connection.server.person(jid)
    if person is None:
        return None
    own = _device(connection)
    numbers = (0, own.number) if person is own.phone else person.devices_told
    devices = [Node("device", {"id": number, "key-index": number or None}) for number in numbers]
    return Node("devices", {}, [Node("device-list", {"hash": "2:none"}, devices)])


# --- the rest ----------------------------------------------------------------


def activate(connection: Connection, _: Node) -> Content:
    """The client is ready; with this answer it tells its application that it is connected."""
    _device(connection).active = True
    connection.note("active")
    return None


def app_state(connection: Connection, iq: Node) -> Content:
    """The patches that the client does not have yet."""
    kept = _device(connection).phone.app_state
    return [Node("sync", {}, [_collection(kept, c) for c in iq.need("sync").all("collection")])]


def _collection(kept: AppState, asked: Node) -> Node:
    name = asked.text("name")
    if name != COLLECTION or not kept.version:
        return Node("collection", {"name": name, "version": 0})
    missing = kept.patches[int(asked.text("version") or 0) :]
    patches = [Node("patch", {}, patch) for patch in missing]
    head: Attributes = {"name": name, "version": kept.version}
    return Node("collection", head, [Node("patches", {}, patches)] if patches else None)


def privacy(_: Connection, __: Node) -> Content:
    settings = [Node("category", {"name": k, "value": v}) for k, v in PRIVACY.items()]
    return [Node("privacy", {}, settings)]


def media(_: Connection, __: Node) -> Content:
    terms: Attributes = {"auth": "none", "ttl": 300, "auth_ttl": 300, "max_buckets": 12}
    return [Node("media_conn", terms, [Node("host", {"hostname": "media.invalid"})])]


def no_blocked(_: Connection, __: Node) -> Content:
    return [Node("list", {})]


def no_groups(_: Connection, __: Node) -> Content:
    return [Node("groups", {})]


def group(connection: Connection, iq: Node) -> Content:
    """Who is in it: by LID, and by number as well."""
    jid = iq.jid("to")
    people = connection.server.groups.get(jid.user, [])
    about: Attributes = {"id": jid.user, "subject": "Grupo", "addressing_mode": "lid", "s_t": 1,
                         "creation": 1, "creator": people[0].lid, "size": len(people)}  # fmt: skip
    members = [Node("participant", {"jid": p.lid, "phone_number": p.jid}) for p in people]
    return [Node("group", about, members)]


def log_out(connection: Connection, _: Node) -> Content:
    _device(connection).removed = True
    connection.note("logout")
    return None


def link_by_code(connection: Connection, iq: Node) -> Content:
    return connection.server.linking.take_code_stanza(connection, iq.children[0])


ANSWERS: Mapping[tuple[str, str, str], Answer] = {
    ("encrypt", "get", "count"): key_count,
    ("encrypt", "set", "registration"): take_keys,
    ("encrypt", "get", "key"): bundles,
    ("usync", "get", "usync"): usync,
    ("passive", "set", "active"): activate,
    ("w:sync:app:state", "set", "sync"): app_state,
    ("w:sync:app:state", "get", "sync"): app_state,
    ("privacy", "get", "privacy"): privacy,
    ("w:m", "set", "media_conn"): media,
    ("blocklist", "get", ""): no_blocked,
    ("w:g2", "get", "participating"): no_groups,
    ("w:g2", "get", "query"): group,
    ("md", "set", "remove-companion-device"): log_out,
    ("md", "set", "link_code_companion_reg"): link_by_code,
}
