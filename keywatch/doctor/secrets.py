"""Whether what must stay secret is its owner's alone."""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from keywatch.config import Config, is_reference
from keywatch.doctor.values import Check, Mark, Patient
from keywatch.read.opening import path_of


def secrets(patient: Patient) -> Iterator[Check]:
    """Files that hold a secret, or lead to one, are their owner's alone."""
    config = patient.config
    files = dict.fromkeys(_secret_files(config), "a secret")
    inline = any(route.url and not is_reference(route.url) for route in config.routes.values())
    if inline or "@" in config.store_text:
        files[config.path] = "a URL that is a secret"
    if database := path_of(config.store):
        files[database] = "the store"
    for path, what in files.items():
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & stat.S_IROTH:
            yield Check(Mark.PROBLEM, f"everybody on this machine can read {path} ({what})", f"chmod o-rwx {path}")


def _secret_files(config: Config) -> Iterator[Path]:
    said: list[object] = [route.url for route in config.routes.values()]
    said += [config.mail.user, config.mail.password] if config.mail else []
    said += [config.store_text, *(source.settings for source in config.sources)]
    said += [roster.settings for roster in config.rosters.values()]
    for text in _texts(said):
        if text.startswith("file:"):
            yield config.base / text.removeprefix("file:")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
