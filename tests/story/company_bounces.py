"""What comes back: a mail server that took a message tells the sender later that there is no such mailbox.

The report is Postfix's: it names the address that failed and the one that was written to, and goes to the envelope
sender, in which our token stands.
"""

from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage, Message
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime
from mailbox import Maildir
from pathlib import Path

from keywatch.model import Outgoing, Route


@dataclass(slots=True)
class Postmaster:
    """Writes reports into keywatch's Maildir."""

    folder: Path

    def __post_init__(self) -> None:
        Maildir(self.folder, create=True)

    def report(self, route: Route, outgoing: Outgoing, failed: str, at: datetime) -> None:
        """`failed` does not exist; `route` is where the message went."""
        mail = MIMEMultipart("report", report_type="delivery-status")
        mail["From"] = "MAILER-DAEMON@mx.example.com (Mail Delivery System)"
        mail["To"] = f"keywatch+{outgoing.token}@example.com"
        mail["Subject"] = "Undelivered Mail Returned to Sender"
        mail["Date"] = format_datetime(at)
        mail["Auto-Submitted"] = "auto-replied"
        mail["Message-ID"] = f"<{outgoing.token}.{failed}>"
        mail.attach(MIMEText(f"<{failed}>: user unknown\n"))
        mail.attach(_status(route.mail, failed))
        headers = EmailMessage()
        headers["Message-ID"] = outgoing.message_id
        headers["Subject"] = outgoing.rendered.subject.splitlines()[0]
        original = MIMENonMultipart("text", "rfc822-headers")
        original.set_payload(headers.as_string())
        mail.attach(original)
        Maildir(self.folder).add(mail)


def _status(to: str, failed: str) -> MIMENonMultipart:
    message, recipient = Message(), Message()
    message["Reporting-MTA"] = "dns; mx.example.com"
    recipient["Final-Recipient"] = f"rfc822; {failed}"
    recipient["Original-Recipient"] = f"rfc822;{to}"
    recipient["Action"] = "failed"
    recipient["Status"] = "5.1.1"
    recipient["Diagnostic-Code"] = "smtp; 550 5.1.1 user unknown"
    part = MIMENonMultipart("message", "delivery-status")
    part.set_payload([message, recipient])
    return part
