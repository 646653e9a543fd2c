"""keywatch itself was away: afterwards everybody hears the most urgent thing once, and nothing is lost."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

from tests.story.story import telling

CREDENTIALS = {
    "paygate-api": ("2026-12-19", "21bd"),
    "sftp": ("2026-12-14", "10bd"),
    "mailgun": ("2026-11-19", "2bd"),
    "mtls": ("2026-11-13", "2bd"),
    "bank-feed": ("2026-11-25", "3w"),
}
BEFORE, AFTER = "2026-10-23 07:00", "2026-11-16 08:00"


def test_three_weeks_without_a_run(tmp_path: Path) -> None:
    """One message per person with each credential once, at its most urgent stage; the stages between are recorded."""
    with telling(tmp_path, start=BEFORE, refuses={}, every_days=365) as story:
        for name, (expires, lead) in CREDENTIALS.items():
            story.add(name, expires, lead)
        story.check()
        story.inbox()
        messages = [m for m in story.at(AFTER).check() if m["kind"] == "notice"]
        assert max(Counter(m["person"] or m["route"] for m in messages).values()) == 1
        ana = next(m for m in messages if m["person"] == "ana")
        said = {n["credential"]: n["stage"].partition("@")[0] for n in ana["notices"]}
        assert len(ana["notices"]) == len(said)
        assert said == {
            "paygate-api": "7d",
            "sftp": "14d",
            "mailgun": "2d",
            "mtls": "expired+3d",
            "bank-feed": "late",
        }
        passed = story.ask("SELECT count(*) FROM notice WHERE route = '' AND superseded_at IS NOT NULL")
        assert passed[0][0] >= len(CREDENTIALS)
        mail = next(mail for mail in story.inbox("ana") if "Week of" not in str(mail.message["Subject"]))
        assert mail.text.index("mtls") < mail.text.index("bank-feed") < mail.text.index("sftp")


def test_after_the_gap_the_ladder_goes_on(tmp_path: Path) -> None:
    """What was passed over stays passed over: the next days bring new stages and climbs only, none twice."""
    with telling(tmp_path, start=BEFORE, refuses={}, every_days=365) as story:
        for name, (expires, lead) in CREDENTIALS.items():
            story.add(name, expires, lead)
        story.check()
        story.at(AFTER).check()
        for _ in range(10):
            story.now += timedelta(days=1)
            story.check()
        notices = [(m["route"], n["credential"], n["stage"]) for m in story.sent for n in m["notices"]]
        assert [key for key, count in Counter(notices).items() if count > 1] == []
        stages = [s.partition("@")[0] for route, name, s in notices if (route, name) == ("ana:mail", "paygate-api")]
        assert stages == ["7d", "2d", "late", "late", "late", "late"]
