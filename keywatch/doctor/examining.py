"""Store, timer, mail, labels, sources and routes; who else looks at what is named in `examine`."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from keywatch import plugins
from keywatch.config import build, is_reference
from keywatch.config.values import OWN
from keywatch.doctor.inbox import inbox, inbox_server
from keywatch.doctor.people import ears, last_resort, owners, unknown_owners
from keywatch.doctor.secrets import secrets
from keywatch.doctor.values import Check, Mark, Patient, names
from keywatch.errors import KeywatchError
from keywatch.groups import assign_block, lacking
from keywatch.model import MANUAL, EvidenceKind, HealthState, Route
from keywatch.outlook import SELF_PROOF
from keywatch.read import instant_of
from keywatch.report import distance
from keywatch.routes import because

MAX_AGE = timedelta(hours=26)


def examine(patient: Patient, *, offline: bool) -> list[Check]:
    """Look at everything; `offline` leaves out what asks the network."""
    parts = [
        _store,
        _mail,
        _domains,
        inbox,
        last_resort,
        owners,
        unknown_owners,
        _lacking,
        _feeds,
        _orphans,
        _canary,
        ears,
        _routes,
        secrets,
    ]
    found = [check for part in parts for check in part(patient)]
    return found if offline else [*found, *_mail_server(patient), *inbox_server(patient), *_preflight(patient)]


def _mail_server(patient: Patient) -> Iterator[Check]:
    mail = patient.config.mail
    if mail is None:
        return
    try:
        socket.create_connection((mail.host, mail.port), timeout=5).close()
    except OSError as problem:
        what = f"no mail can leave now: {mail.host}:{mail.port} does not answer ({problem.strerror or problem})"
        yield Check(Mark.PROBLEM, what, "look at [mail] smtp, and at that server")


def _store(patient: Patient) -> Iterator[Check]:
    yield Check(Mark.FINE, f"the store answers: {patient.reader.place}, {len(patient.rows)} credentials")
    last = instant_of(patient.reader.meta("last_run") or None)
    run = "run `keywatch check` from a timer"
    if last is None:
        yield Check(Mark.PROBLEM, "no check has run yet", run)
    elif patient.now - last > MAX_AGE:
        yield Check(Mark.PROBLEM, f"the last check was {distance(patient.now, last)}", run)
    else:
        yield Check(Mark.FINE, f"the last check was {distance(patient.now, last)}")
    for name in patient.reader.uncovered():
        yield Check(Mark.PROBLEM, f"nobody who counts has accepted the call for {name}", f"`keywatch why {name}`")


def _mail(patient: Patient) -> Iterator[Check]:
    mail = patient.config.mail
    if mail is None:
        yield Check(
            Mark.PROBLEM, "[mail] is not configured: no mail can leave", 'give it `from` and `smtp = "smtp://…"`'
        )
        return
    yield Check(Mark.FINE, f"mail is to leave by {mail.host}:{mail.port} as {mail.sender}")
    for text in (mail.user, mail.password):
        yield from _resolvable("[mail]", text, patient.config.base)


def _domains(patient: Patient) -> Iterator[Check]:
    """Whether the domains that mails go to can be looked up, where that is wanted."""
    if patient.config.mail is None or not patient.config.mail.dns:
        return
    silent = [feed for feed in patient.reader.feeds() if feed.kind == "dns" and feed.next_at and feed.problem]
    if not _importable("dns"):
        what = "[mail] dns is on and cannot be done: a domain that takes no mail any more is not noticed"
        yield Check(Mark.PROBLEM, what, "pip install 'keywatch[dns]'")
    elif silent:
        yield Check(Mark.NOTE, f"{len(silent)} domains were not looked up: {silent[0].problem}")


def _importable(library: str) -> bool:
    """Whether an extra is installed; it is not loaded for it."""
    try:
        return find_spec(library) is not None
    except ValueError:  # it was switched off in this process
        return False


def _lacking(patient: Patient) -> Iterator[Check]:
    """What carries no labels, by prefix, with the rule that would fix most of it."""
    for what, groups in lacking(patient.rows).items():
        places = ", ".join(f"{count} in {place}" for place, count in list(groups.items())[:5])
        more = f", {len(groups) - 5} places more" if len(groups) > 5 else ""
        mark = Mark.PROBLEM if what == "owner" else Mark.NOTE
        yield Check(mark, f"{sum(groups.values())} credentials have no {what}: {places}{more}")
    block = assign_block(patient.rows, patient.config.owners, patient.config.keeper)
    if block:
        yield Check(Mark.NOTE, "this rule, before any other that fits, would fix the largest group", block)


def _feeds(patient: Patient) -> Iterator[Check]:
    for source in patient.config.sources:
        feed = patient.reader.feed("source", source.name)
        if feed is None or feed.tried_at is None:
            yield Check(Mark.PROBLEM, f"source {source.name}: it was never read", "run `keywatch check`")
        elif feed.problem:
            since = f", complete {distance(patient.now, feed.complete_at)}" if feed.complete_at else ", never complete"
            yield Check(Mark.PROBLEM, f"source {source.name}: {feed.problem}{since}")
        else:
            yield Check(Mark.FINE, f"source {source.name}: {feed.answer.get('found', 0)} found")
    stale = [row for row in patient.rows if row.stale_since]
    if stale:
        yield Check(Mark.NOTE, f"{len(stale)} credentials are stale: their source does not show them now")


def _orphans(patient: Patient) -> Iterator[Check]:
    """Rows of a source that left the config keep speaking until somebody says they are gone."""
    known = {source.name for source in patient.config.sources} | {MANUAL, OWN}
    for name in sorted({row.source for row in patient.rows} - known):
        count = sum(row.source == name for row in patient.rows)
        what = f"{count} credentials are of the source '{name}', which is not configured any more"
        yield Check(Mark.PROBLEM, what, f"`keywatch retire --source {name}` ends them")


def _canary(patient: Patient) -> Iterator[Check]:
    """Whether somebody has shown that keywatch's messages are read."""
    if patient.config.canary is None:
        return
    from keywatch import canary  # brings the store with it

    found = canary.standing(patient.reader, patient.config, patient.now)
    if found.overdue:
        yield Check(Mark.PROBLEM, found.said, f"`keywatch why {canary.NAME}` says who was told; answer with its code")
    else:
        yield Check(Mark.FINE, found.said)


def _routes(patient: Patient) -> Iterator[Check]:
    world, unproven = patient.world, []
    for name, route in sorted(world.routes.items()):
        if name == SELF_PROOF:
            continue
        health = world.health_of(name)
        if health.state in (HealthState.DEAD, HealthState.SUSPECT) or health.partial:
            yield _sick(route, patient)
        elif health.proven_at is None:
            unproven.append(name)
        yield from _resolvable(f"route {name}", route.url, patient.config.base)
    if unproven:
        what = f"nobody has ever answered through {len(unproven)} routes: {names(unproven)}"
        yield Check(Mark.NOTE, what, "`keywatch test ROUTE` sends a message whose code proves it")


def _sick(route: Route, patient: Patient) -> Check:
    """A route that counts for nothing. Somebody who only did not answer is asked again, so that is a note."""
    health, name = patient.world.health_of(route.name), route.name
    hint = f"mend it, then `keywatch test {name}`; `keywatch routes {name}` shows what hangs on it"
    if issued := patient.world.issuers.get(name):
        hint = f"the issuer of {names(issued)} writes to {route.mail}: change it there; {hint}"
    if health.state is HealthState.DEAD:
        code = f" ({health.because.code} on {health.because.at:%Y-%m-%d})" if health.because else ""
        return Check(Mark.PROBLEM, f"route {name} is dead{code}", hint)
    if health.partial:
        return Check(Mark.PROBLEM, f"some who should read route {name} do not exist any more", hint)
    why = because(health, patient.world.people, patient.config.zone)
    silent = health.because is not None and health.because.kind is EvidenceKind.SILENCE
    return Check(Mark.NOTE if silent else Mark.PROBLEM, f"route {name} is suspect ({why})", hint)


def _resolvable(where: str, text: str, base: Path) -> Iterator[Check]:
    """A reference that leads nowhere fails when it is needed most. Commands are not run for it."""
    if not is_reference(text) or text.startswith("cmd:"):
        return
    try:
        plugins.resolve(text, base)
    except KeywatchError as problem:
        yield Check(Mark.PROBLEM, f"{where}: {problem.what}", problem.hint)


def _preflight(patient: Patient) -> Iterator[Check]:
    from keywatch.oncall import PluginRun  # brings the store with it

    config = patient.config
    for source in config.sources:
        try:
            kind = plugins.load("providers", source.kind)
            settings = build(kind.Settings, source.settings, f"source.{source.name}", str(config.path))
            said = list(kind(settings).preflight(PluginRun(patient.now, source.zone, config.base)))
        except KeywatchError as problem:
            said = [problem.what]
        except Exception as problem:  # noqa: BLE001  # a plugin's mistake must not hide what the others say
            said = [f"{type(problem).__name__}: {problem}"]
        yield from (Check(Mark.PROBLEM, f"source {source.name}: {sentence}") for sentence in said)
        if not said:
            yield Check(Mark.FINE, f"source {source.name}: a scan would be complete")
