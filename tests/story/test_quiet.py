"""Quiet: nobody is told twice, a run with nothing to do writes only that it was here, and a dry run changes nothing."""

from typing import Any

from tests.story.story import Story

HEAVY = {"sqlmodel", "sqlalchemy", "alembic", "boto3", "botocore", "hvac", "apprise", "jinja2", "requests", "rich"}
LOADED = "import atexit, sys\natexit.register(lambda: print('\\n' + ' '.join(sys.modules), file=sys.stderr))"
TIMES = {"meta last_run", "meta high_water"}


def differences(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def with_messages(story: Story) -> None:
    """Three credentials whose first stages are due at once."""
    story.at("2026-11-13 07:30")
    for name, expires in {"paygate-api": "2026-12-19", "sftp": "2026-12-18", "mtls": "2026-11-20"}.items():
        story.add(name, expires, "21bd")
    story.at("2026-11-13 08:00")


def test_the_second_run_has_nothing_to_say(story: Story) -> None:
    """A run right after another one sends nothing and writes nothing but the time of the run."""
    with_messages(story)
    assert story.check()
    story.inbox()
    for minutes in (0, 15):
        story.at(f"2026-11-13 08:{minutes:02}")
        before = story.dump()
        answer = story.run("check", "-o", "json").json
        assert answer["idle"]
        assert answer["messages"] == []
        assert differences(before, story.dump()) <= TIMES
    assert story.inbox() == []


def test_an_idle_run_imports_nothing_heavy(story: Story) -> None:
    """What runs every 15 minutes for nothing must cost nothing."""
    with_messages(story)
    story.check()
    story.at("2026-11-13 08:15")
    process = story.spawn("check", before=LOADED)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "nothing is due" in err + out
    modules = {name.partition(".")[0] for name in err.splitlines()[-1].split()}
    assert "keywatch" in modules
    assert sorted(modules & HEAVY) == []


def test_cron_mails_mean_something(story: Story) -> None:
    """`check -q` prints what is new and nothing else: cron mails only what is printed."""
    with_messages(story)
    first = story.run("check", "-q")
    assert first.out == ""
    assert first.err == "route payments-alias is dead: 550 5.1.1 no such user here; others are told instead\n"
    for time in ("08:00", "08:15", "10:00"):
        story.at(f"2026-11-13 {time}")
        again = story.run("check", "-q")
        assert again.out + again.err == ""


def test_a_standing_trouble_is_printed_once(story: Story) -> None:
    """A roster that went away is news in the first run that sees it; its exit code stays, the words do not repeat."""
    rotation = """kind = "rotation"
timezone = "Europe/Madrid"
people = ["ana", "bo"]
anchor = 2026-10-05
at = 09:00:00
every_days = 365"""
    story.rewrite(rotation, 'kind = "ical"\nurl = "gone.ics"')
    story.add()
    first = story.run("check", "-q", expect=3)
    assert "roster payments: " in first.err
    story.at("2026-10-05 09:00")
    again = story.run("check", "-q", expect=3)
    assert again.out + again.err == ""


def test_a_bad_table_of_a_plugin_stops_the_run(story: Story) -> None:
    """A typing mistake in a plugin's own table is a mistake in the config: exit 2, and nothing is done."""
    story.add()
    before = story.dump()
    story.rewrite("every_days", "every_day")
    answer = story.run("check", expect=2)
    assert "[rosters.payments] every_day: unknown key (did you mean 'every_days'?)" in answer.err
    assert differences(before, story.dump()) == set()


def test_a_dry_run_names_everybody_and_changes_nothing(story: Story) -> None:
    """Every recipient stands there by name, a total ends it, and the store holds what it held before."""
    with_messages(story)
    before = story.dump()
    answer = story.run("check", "--dry-run")
    assert differences(before, story.dump()) <= {"meta high_water"}
    assert story.inbox() == []
    lines = answer.out.splitlines()
    for name in ("paygate-api", "sftp", "mtls"):
        for person, route in {"ana": "ana:mail", "mia": "mia:mail"}.items():
            assert any(name in line and f"→ {person} by {route}" in line for line in lines), (name, person)
    assert lines[-1] == "would send 5 messages to 4 people, 0 pages"
    real = {message["route"] for message in story.check()}
    assert real == {"payments-alias", "ana:mail", "bo:mail", "cy:mail", "mia:mail"}


def test_a_dry_run_foresees_digests_too(story: Story) -> None:
    """Whoever the real run would write to is named, whatever kind of message it is."""
    story.check()
    story.at("2026-10-12 07:00")
    foreseen = story.run("check", "--dry-run").out.splitlines()
    sent = story.check()
    assert {message["kind"] for message in sent} == {"digest"}
    assert len(foreseen) == len(sent) + 1
    for message in sent:
        assert any(f"by {message['route']}" in line for line in foreseen)
    assert foreseen[-1] == f"would send {len(sent)} messages to {len(sent)} people, 0 pages"


def test_a_dry_run_leaves_the_store_file_alone(story: Story) -> None:
    """As a process of its own, too: what a person tries out by hand must not shift what the timer does."""
    with_messages(story)
    before = story.dump()
    process = story.spawn("check", "--dry-run")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert differences(before, story.dump()) <= {"meta high_water"}
