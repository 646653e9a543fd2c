"""Who is who: the people a roster names and the people of the file are the same people where they share an address."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from keywatch import config
from keywatch.errors import Exit, KeywatchError
from keywatch.model import Duty, Health, HealthState, OnCall, Person, Trust

EXAMPLE = Path(__file__).parents[2] / "keywatch.example.toml"
START = datetime(2026, 10, 5, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def example() -> config.Config:
    return config.load(EXAMPLE, {})


def on_call(*people: Person, members: tuple[Person, ...] = ()) -> dict[str, OnCall]:
    duties = tuple(Duty(person, 1, START, None) for person in people)
    return {"payments": OnCall("payments", duties, Trust.LIVE, members=members)}


def test_a_roster_person_with_a_known_address_is_that_person(example: config.Config) -> None:
    """Whatever the roster calls them and however it writes the address; the name and the routes of the file hold."""
    world = example.world(on_call(Person("PX1", "A. Ruiz", "ANA@Example.com")), {})
    assert world.on_call["payments"].duties[0].person == example.people["ana"]
    assert world.people == example.people
    assert world.routes == example.routes


def test_a_stranger_gets_a_person_and_a_mail_route(example: config.Config) -> None:
    """Somebody only the roster knows can be told, on duty or merely a member; the key is their address."""
    eve, tom = Person("P9", "Eve", "Eve@example.com"), Person("P8", "Tom", "tom@example.com")
    world = example.world(on_call(eve, members=(tom,)), {}, [Person("old", "Old", "old@example.com")])
    assert world.on_call["payments"].duties[0].person.key == "eve@example.com"
    assert {"eve@example.com", "tom@example.com", "old@example.com"} == set(world.people) - set(example.people)
    route = world.routes["eve@example.com:mail"]
    assert (route.person, route.mail, route.transport) == ("eve@example.com", "Eve@example.com", "mail")
    assert example.routes.keys() < world.routes.keys()


@pytest.mark.parametrize(
    ("person", "key"),
    [
        (Person("ana", "ana"), "ana"),
        (Person("?", "ana ruiz"), "ana"),
        (Person("?", "BO"), "bo"),
        (Person("Zoe", "Zoe"), "Zoe"),
        (Person("ana", "Ana from sales", "other@example.com"), "other@example.com"),
        (Person("Zoe", "Zoe", "zoe@example.com\nBcc: x@y.z"), "Zoe"),
        (Person("ana", "Zoe", "not an address"), "roster/ana"),
    ],
    ids=["key", "name", "key as name", "unknown", "another ana", "no address", "never somebody else"],
)
def test_an_address_decides_then_a_key_then_a_name(example: config.Config, person: Person, key: str) -> None:
    """A rotation names keys, a feed without addresses names; nobody is taken for somebody with another address."""
    found = example.identify(person)
    assert found.key == key
    assert not found.mail or found.mail.isprintable()


def test_somebody_without_an_address_has_no_route(example: config.Config) -> None:
    """ "On duty and unreachable" is a fact of its own, so the person stays and no route is made up."""
    world = example.world(on_call(Person("Zoe", "Zoe")), {})
    assert "Zoe" in world.people
    assert world.routes == example.routes


def test_two_people_of_one_name_are_not_guessed_between(tmp_path: Path) -> None:
    """A name decides only where one person bears it."""
    path = tmp_path / "keywatch.toml"
    people = '[people.a]\nname = "Ana"\n[people.b]\nname = "Ana"\n'
    path.write_text(f'[keywatch]\nowner = "o"\n{people}[owners.o]\npeople = ["a"]', encoding="utf-8")
    assert config.load(path, {}).identify(Person("Ana", "Ana")).key == "Ana"


def test_inactive_is_kept_on_the_duty(example: config.Config) -> None:
    """An account the roster has switched off is a fact about that duty; it does not remove anybody from the file."""
    world = example.world(on_call(Person("P", "Ana", "ana@example.com", active=False)), {})
    assert not world.on_call["payments"].duties[0].person.active
    assert world.people["ana"].active


def test_the_world_holds_the_file_and_the_facts(example: config.Config) -> None:
    """Rules, keeper and last resort are the file's; health and duty are passed through."""
    health = {"ana:mail": Health(HealthState.DEAD)}
    world = example.world(on_call(example.people["ana"]), health)
    assert (world.keeper, world.last_resort) == ("platform", ("ops-phone", "mia:mail"))
    assert world.rules is example.rules
    assert world.health_of("ana:mail").state is HealthState.DEAD
    assert world.on_call["payments"].at(START)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("prod", "production"), ("PRODUCTION", "production"), (" Stage ", "staging"), ("", "")],
)
def test_environments_have_one_name(example: config.Config, text: str, canonical: str) -> None:
    """Every alias in any case is its canonical name; nothing stays nothing (and counts as production)."""
    assert example.environment(text) == canonical


def test_an_unknown_environment_lists_the_known_ones(example: config.Config) -> None:
    """A typo is refused with what there is."""
    with pytest.raises(KeywatchError, match="no environment 'stagin' ") as caught:
        example.environment("stagin")
    assert caught.value.hint == "there are: production (prod, live), staging (stage, pre)"
    assert caught.value.exit_code == Exit.USAGE


def test_the_first_assign_that_fits_wins(tmp_path: Path) -> None:
    """In the order of the file; with match and tag both have to fit; `*` runs over `/`; env is canonical."""
    path = tmp_path / "keywatch.toml"
    rules = """
    [keywatch]
    owner = "o"
    environments = { staging = ["stage"] }
    [people.a]
    [owners.o]
    people = ["a"]
    [[assign]]
    match = "vault:secret/pay/*"
    tag = "robot=yes"
    renewal = "automatic"
    [[assign]]
    match = "vault:secret/pay/*"
    env = "stage"
    lead = "10bd"
    [[assign]]
    tag = "team=o"
    owner = "o"
    """
    path.write_text(rules, encoding="utf-8")
    read = config.load(path, {})
    assert read.assign("vault", "secret/pay/a/b", ["team=o"]) == {"env": "staging", "lead": "10bd"}
    assert read.assign("vault", "secret/pay/a", ["team=o", "robot=yes"]) == {"renewal": "automatic"}
    assert read.assign("aws", "secret/pay/a", ["team=o"]) == {"owner": "o"}
    assert read.assign("aws", "secret/pay/a") == {}


def test_a_roster_reference_names_a_roster_and_a_target(example: config.Config) -> None:
    """The target defaults to the roster's own name."""
    assert example.roster("growth") == (example.rosters["growth"], "")
    assert example.roster("growth:PX:12") == (example.rosters["growth"], "PX:12")
