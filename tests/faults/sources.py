"""Faults of sources: a source that fails takes nothing away, what disappears is doubted, and its reminders go on."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from keywatch.errors import Exit
from tests.faults.bench import Bench, closed_port, ended
from tests.faults.fault import Fault, Truth, Undo
from tests.servers.aws import ACCOUNT
from tests.servers.canned import Answer, Asked, canned
from tests.story.story import CONFIG
from tests.story.test_source_faults import HEADER, PAYGATE, REST, SOURCE

TELLS = frozenset({"ana", "payments-alerts"})
"""Who hears of the 30d stage."""
PLAN = "2026-10-21 07:00"
HOUR = timedelta(hours=1)


def _due(bench: Bench) -> Bench:
    """Read twice and well; then a stage comes due."""
    assert bench.story.check() == []
    bench.story.at("2026-10-06 08:00").check()
    bench.due, bench.wait = TELLS, HOUR
    bench.story.at(PLAN)
    return bench.begin()


# --------------------------------------------------------------------------- files


@contextmanager
def listed(folder: Path) -> Iterator[Bench]:
    """Three credentials come from a CSV file, the first of which is due."""
    (folder / "creds.csv").write_text(HEADER + PAYGATE + REST, encoding="utf-8")
    with ended(folder, CONFIG + SOURCE) as bench:
        yield _due(bench)


def _file(damage: Callable[[Path], object]) -> Callable[[Bench], Undo]:
    def arrange(bench: Bench) -> Undo:
        path = bench.folder / "creds.csv"
        damage(path)

        def undo() -> None:
            if path.is_dir():
                shutil.rmtree(path)
            path.write_text(HEADER + PAYGATE + REST, encoding="utf-8")

        return undo

    return arrange


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _written(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8")


def _bad_toml(bench: Bench) -> Undo:
    (bench.folder / "creds.toml").write_text("[[credential]\nname =", encoding="utf-8")
    bench.story.rewrite("creds.csv", "creds.toml")
    return lambda: bench.story.rewrite("creds.toml", "creds.csv")


def _raises(bench: Bench) -> Undo:
    """What a provider of somebody else may do at any time."""
    from keywatch_file import FileProvider

    def scan(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    bench.patch.setattr(FileProvider, "scan", scan)
    return bench.patch.undo


# --------------------------------------------------------------------------- services


@dataclass
class Service:
    """A service over HTTP that answers well, or as `fault` says."""

    well: Callable[[Asked], Answer]
    fault: Callable[[Asked], Answer | None] = lambda _: None

    def __call__(self, asked: Asked) -> Answer:
        return self.fault(asked) or self.well(asked)


VAULT = (
    '\n[[source]]\nname = "vault"\nkind = "vault"\naddress = "{at}"\ntoken = "file:token"\ntimeout = 1\nevery = "0"\n'
)
CLOUD = '\n[[source]]\nname = "cloud"\nkind = "aws"\nregions = ["eu-west-1"]\nendpoint = "{at}"\nevery = "0"\n'
DATES = {"paygate-api": "2026-12-19", "sftp": "2027-06-01", "mtls": "2027-07-01"}
EMPTY = Answer(404, {"errors": []})


def _vault(asked: Asked) -> Answer:
    """Two folders of Vault's KV metadata, as it answers LIST and GET."""
    path = asked.path.partition("?")[0].removeprefix("/v1/secret/metadata").strip("/")
    if "lookup-self" in asked.path:
        return Answer(200, {"data": {}})
    if asked.method == "LIST":
        keys = {"": ["payments/", "sftp", "mtls"], "payments": ["paygate-api"]}.get(path)
        return EMPTY if "after=" in asked.path or keys is None else Answer(200, {"data": {"keys": keys}})
    custom = {"expires": DATES[path.rpartition("/")[2]], "owner": "payments", "lead": "21bd"}
    return Answer(200, {"data": {"current_version": 1, "versions": {"1": {}}, "custom_metadata": custom}})


def _aws(asked: Asked) -> Answer:
    """The caller's account, and one page of secrets."""
    if "/sts/" in asked.headers["Authorization"]:
        result = f"<GetCallerIdentityResult><Account>{ACCOUNT}</Account></GetCallerIdentityResult>"
        return Answer(200, f"<GetCallerIdentityResponse>{result}</GetCallerIdentityResponse>")
    return Answer(200, {"SecretList": [_secret(name, day) for name, day in DATES.items()]})


def _secret(name: str, day: str) -> dict[str, object]:
    tags = {"keywatch:expires": day, "keywatch:owner": "payments", "keywatch:lead": "21bd"}
    arn = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:{name}-Ab12Cd"
    return {"ARN": arn, "Name": name, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


@contextmanager
def served(folder: Path, source: str, well: Callable[[Asked], Answer]) -> Iterator[Bench]:
    """Three credentials come from a service."""
    service = Service(well)
    (folder / "token").write_text("t", encoding="utf-8")
    with canned(service) as server, ended(folder, CONFIG + source.format(at=server.address)) as bench:
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED")
        for name, value in zip(keys, ("testing", "testing", "true"), strict=True):
            bench.patch.setenv(name, value)
        bench.own |= {"service": service, "address": server.address}
        yield _due(bench)


@contextmanager
def vault(folder: Path) -> Iterator[Bench]:
    """Three credentials come from Vault."""
    with served(folder, VAULT, _vault) as bench:
        yield bench


@contextmanager
def cloud(folder: Path) -> Iterator[Bench]:
    """Three credentials come from AWS."""
    with served(folder, CLOUD, _aws) as bench:
        yield bench


def _answers(fault: Callable[[Asked], Answer | None]) -> Callable[[Bench], Undo]:
    def arrange(bench: Bench) -> Undo:
        service: Service = bench.own["service"]
        service.fault = fault
        return lambda: setattr(service, "fault", lambda _: None)

    return arrange


def _elsewhere(scheme: str, port: Callable[[Bench], int]) -> Callable[[Bench], Undo]:
    def arrange(bench: Bench) -> Undo:
        old, new = bench.own["address"], f"{scheme}://127.0.0.1:{port(bench)}"
        bench.story.rewrite(old, new)
        return lambda: bench.story.rewrite(new, old)

    return arrange


def _wrong_tls(bench: Bench) -> int:
    """The port of a server whose certificate nobody vouches for."""
    from tests.servers.certificates import issue
    from tests.servers.web import WebServer

    web = bench.rest.enter_context(WebServer(certificate=issue(bench.folder).good))
    return int(web.place.rpartition(":")[2])


def _silent(bench: Bench) -> int:
    """The port of a server that takes connections and never answers."""
    import socket

    listener = bench.rest.enter_context(socket.create_server(("127.0.0.1", 0)))
    return int(listener.getsockname()[1])


def _below_payments(asked: Asked) -> Answer | None:
    denied = Answer(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
    return denied if "/metadata/payments" in asked.path else None


def _refused(code: str, status: int = 400) -> Callable[[Asked], Answer | None]:
    """Secrets Manager answers with an error; who asks is still known."""
    error = Answer(status, {"__type": code, "message": "sorry"})
    return lambda asked: None if "/sts/" in asked.headers["Authorization"] else error


def _expired(asked: Asked) -> Answer:
    error = "<Error><Code>ExpiredToken</Code><Message>The security token is expired</Message></Error>"
    return Answer(403, f"<ErrorResponse>{error}</ErrorResponse>", {"Content-Type": "text/xml"})


def _second_page_dies(asked: Asked) -> Answer | None:
    if "/sts/" in asked.headers["Authorization"]:
        return None
    if b"NextToken" in asked.body:
        return Answer(400, {"__type": "InvalidNextTokenException", "message": "sorry"})
    return Answer(200, {"SecretList": [_secret("sftp", DATES["sftp"])], "NextToken": "n"})


def _stale(bench: Bench) -> None:
    assert bench.heard == dict.fromkeys(TELLS, 1)
    assert bench.story.ask("SELECT count(*) FROM episode WHERE outcome = 'retired'") == [(0,)]


GOES_ON = Truth("the last known dates go on: who is due is told", _stale)
AGAIN = Truth("says `can be read again`; nobody is told twice", _stale)


def _row(what: str, says: str, arrange: Callable[[Bench], Undo], setting: object = listed) -> Fault:
    """Every source that fails is exit 3 and takes nothing away."""
    return Fault(what, Exit.UNKNOWN, f"{says}; its last known data go on", GOES_ON, AGAIN, arrange, setting=setting)  # type: ignore[arg-type]


ROWS = [
    _row("a file is missing", "source listed: cannot read creds.csv: No such file or directory", _file(Path.unlink)),
    _row("a file cannot be read", "source listed: cannot read creds.csv: Is a directory", _file(_directory)),
    _row("a file is no TOML", "source listed: creds.toml: …", _bad_toml),
    _row(
        "a row of a CSV file has no date",
        "source listed: creds.csv: line 4 (mtls): expires: …",
        _file(_written(HEADER + PAYGATE + REST.replace("2027-07-01", "01/07/2027"))),
    ),
    _row(
        "half a file",
        "source listed: creds.csv: line 3…",
        _file(_written((HEADER + PAYGATE + REST)[: len(HEADER + PAYGATE) + 9])),
    ),
    _row("a file lists nothing", "source listed: creds.csv: there is no credential in it", _file(_written(HEADER))),
    _row(
        "a file lists other things only",
        "source listed: all 3 credentials disappeared at once",
        _file(_written(HEADER + "else,2027-09-01,,payments,5bd,\n")),
    ),
    _row("a provider of somebody else fails", "source listed: ZeroDivisionError: division by zero", _raises),
    _row(
        "Vault is down",
        "source vault: cannot be reached: ConnectionError",
        _elsewhere("http", lambda _: closed_port()),
        vault,
    ),
    _row("Vault does not answer", "source vault: cannot be reached: …", _elsewhere("http", _silent), vault),
    _row(
        "Vault is sealed",
        "source vault: …sealed…",
        _answers(lambda _: Answer(503, {"errors": ["Vault is sealed"]})),
        vault,
    ),
    _row(
        "Vault denies a folder",
        "source vault: 403 1 error occurred: * permission denied on LIST secret/metadata/payments/",
        _answers(_below_payments),
        vault,
    ),
    _row(
        "Vault lists nothing",
        "source vault: all 3 credentials disappeared at once",
        _answers(lambda asked: EMPTY if asked.method == "LIST" else None),
        vault,
    ),
    _row(
        "Vault shows a certificate nobody vouches for",
        "source vault: the server's certificate is not trusted: …",
        _elsewhere("https", _wrong_tls),
        vault,
    ),
    _row(
        "AWS says that the token has expired",
        "source cloud: no usable AWS credentials: ExpiredToken: The security token is expired",
        _answers(_expired),
        cloud,
    ),
    _row(
        "AWS denies the listing",
        "source cloud: eu-west-1: AccessDeniedException: sorry",
        _answers(_refused("AccessDeniedException")),
        cloud,
    ),
    _row(
        "AWS breaks off between two pages",
        "source cloud: eu-west-1: InvalidNextTokenException: sorry",
        _answers(_second_page_dies),
        cloud,
    ),
    _row(
        "AWS lists nothing",
        "source cloud: all 3 credentials disappeared at once",
        _answers(lambda asked: None if "/sts/" in asked.headers["Authorization"] else Answer(200, {"SecretList": []})),
        cloud,
    ),
]
