"""Say what would keep keywatch from doing its work."""

import click

from keywatch.cli.app import App, pass_app, say
from keywatch.model import OnCall, Trust


@click.command("doctor")
@click.option("--offline", is_flag=True, help="Ask no source and no roster, only look at what is here.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(app: App, offline: bool, output: str) -> int:
    """Store, timer, mail, last resort, duty, owners, labels, sources, routes, secrets. Exit 1 if anything is wrong."""
    from keywatch import doctor, outlook

    config, reader, now = app.config, app.reader, app.now
    world = outlook.world(config, reader, now)
    if not offline:
        asked = {ref: _asked(app, ref) for ref, known in world.on_call.items() if known.trust is not Trust.LIVE}
        world = config.world({**world.on_call, **asked}, world.health)
    patient = doctor.Patient(config, reader, world, reader.credentials(now), now)
    checks = doctor.examine(patient, offline=offline)
    click.echo(doctor.payload(checks) if output == "json" else doctor.text(checks))
    wrong = sum(one.mark is doctor.Mark.PROBLEM for one in checks)
    say(f"{wrong} problem{'s' * (wrong != 1)}" if wrong else "nothing would keep keywatch from its work")
    return 1 if wrong else 0


def _asked(app: App, reference: str) -> OnCall:
    """A roster that no run has read, or that did not answer it, is asked now."""
    from keywatch import oncall, outlook

    roster, target = app.config.roster(reference)
    known = app.reader.feed("roster", roster.name, target)
    return outlook.on_call(reference, oncall.ask(app.config, reference, known, app.now), app.now)
