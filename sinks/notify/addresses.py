"""Apprise addresses: which are accepted, what they are called in logs, and how one message is sent to one of them."""

import contextlib
import logging
import re
import threading
import warnings
from urllib.parse import quote, unquote, urlsplit

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType, PersistentStoreMode
from apprise.manager_plugins import NotificationManager
from apprise.plugins import url_to_dict

from sinks.notify.guard import bound_answers, public_only
from sinks.notify.text import Text

_SCHEMES = """
json jsons xml xmls form forms mailto mailtos apprise apprises
slack discord workflow workflows webex wxteams gchat tgram matrix matrixs mmost mmosts rocket rockets zulip
signal signals line lark feishu dingtalk wecombot guilded revolt nctalk nctalks synology synologys twist ryver
ntfy ntfys gotify gotifys pover pbul join prowl bark barks pushdeer pushdeers simplepush
pagerduty opsgenie pagertree splunk victorops squadcast spike firehydrant goalert goalerts ilert incidentio
betterstack signl4
mailgun sendgrid ses sparkpost brevo postmark smtp2go resend o365 twilio vonage nexmo sns msgbird sinch plivo
"""
SCHEMES = frozenset(_SCHEMES.split())
"""What speaks HTTP or SMTP to somebody else; nothing that touches this machine's own desktop, files or devices."""

FILE_PARAMETERS = frozenset({"template", "attach", "attachment", "keyfile", "pgpkey", "pemkey", "key", "subfile"})
"""Parameters by which some services read a file of this machine or fetch another address."""

LEAST_SECRET = 4
"""Characters from which on a part of an address is hidden in what its service says: shorter ones stand by chance."""

REASON = 500
"""Characters of a reason."""

_BETWEEN = re.compile(r"[/?#@:&=,;|\s]+")
_loading = threading.Lock()
_NAMED = frozenset({"json", "jsons", "xml", "xmls", "form", "forms"})
_LOUD = {
    "completed": NotifyType.SUCCESS,
    "failed": NotifyType.FAILURE,
    "lost": NotifyType.FAILURE,
    "retried": NotifyType.WARNING,
    "late": NotifyType.WARNING,
}

_logger = logging.getLogger("apprise")
_logger.setLevel(logging.WARNING)
_logger.propagate = False  # what it says is in the results too, and said by us
_logger.addHandler(logging.NullHandler())


class RefusedAddress(Exception):  # noqa: N818  (the address is refused; trying again is no use)
    """An address that is not, or may not be, reached: its sentence says why."""


class Undelivered(Exception):  # noqa: N818  (an outcome of an attempt)
    """An attempt that came to nothing: its sentence says why, as far as the service does."""


def shown(address: str) -> str:
    """An address without its secrets: they stand in user, password, path and parameters."""
    scheme, separator, rest = address.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z0-9]{1,20}", scheme):
        return "an address without a scheme"
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2] if scheme.lower() in _NAMED else ""
    return f"{scheme.lower()}://{host[:100]}/…" if host else f"{scheme.lower()}://…"


def without_secrets(said: str, address: str) -> str:
    """What a service said, cut to `REASON`, without the parts of its address that `shown` leaves out."""
    for part in sorted(_secrets(address), key=len, reverse=True):
        said = said.replace(part, "…")
    return said[:REASON]


def _secrets(address: str) -> set[str]:
    """What may not be said, as it stands in the address and as others write it: unquoted, quoted, digits alone."""
    whole = ""
    with contextlib.suppress(ValueError):  # no address at all
        whole = urlsplit(address).password or ""
    parts = {whole, unquote(whole), *_BETWEEN.split(address), *_BETWEEN.split(unquote(address))}
    forms = parts | {*map(quote, parts)} | {re.sub(r"\D", "", part) for part in parts}
    return {form for form in forms - {*_BETWEEN.split(shown(address))} if len(form) >= LEAST_SECRET}


def open_address(address: str) -> Apprise:
    """An Apprise object for this one address. Raises RefusedAddress."""
    load_services()
    parsed = url_to_dict(address, secure_logging=True)
    scheme = str(parsed["schema"]) if parsed else ""
    if scheme not in SCHEMES:
        raise RefusedAddress(
            f"{shown(address)} is no address that notifications may go to; use one of Apprise's network services, "
            "such as mailtos://, slack:// or jsons://"
        )
    if used := FILE_PARAMETERS & {name.lower() for name in parsed.get("qsd", ())}:
        raise RefusedAddress(f"{shown(address)} has the parameter {min(used)!r}, which may name a file; leave it out")
    opened = Apprise(asset=_asset())
    if not opened.add(parsed):
        raise RefusedAddress(f"{shown(address)} is not complete; see Apprise's documentation of {scheme}://")
    return opened


def load_services() -> None:
    """Import Apprise's services, once: about a second, and some of them warn of what they import themselves."""
    bound_answers()
    with _loading, warnings.catch_warnings(action="ignore"):
        NotificationManager().load_modules()


def _asset() -> AppriseAsset:
    return AppriseAsset(
        app_id="Headrace",
        app_desc="Headrace",
        app_url="",
        http_redirects=False,
        storage_mode=PersistentStoreMode.MEMORY,
        pgp_autogen=False,
        pem_autogen=False,
        service_timeout=0,  # the caller has its own thread and its own clock
    )


def send(opened: Apprise, text: Text, happening: str, *, private: bool) -> None:
    """Send it now, in this thread. Raises Undelivered, or RefusedAddress where `private` addresses are closed to it."""
    if private:
        _send(opened, text, happening)
        return
    with public_only() as refused:
        try:
            _send(opened, text, happening)
        except Undelivered:
            if refused:
                raise RefusedAddress(
                    f"{refused[0]} is not a public address; HEADRACE_HTTP_PRIVATE=true opens private ones"
                ) from None
            raise


def _send(opened: Apprise, text: Text, happening: str) -> None:
    kind = _LOUD.get(happening, NotifyType.INFO)
    result = opened.notify(text.body, title=text.title, notify_type=kind, body_format=NotifyFormat.TEXT)
    if not result:
        said = "; ".join(entry.message for entry in result.logs())
        raise Undelivered(said or "the service did not accept it and gave no reason")
