"""Why a connection failed, in a sentence of our own: an exception's text may hold more than it should."""


def reason(problem: Exception) -> str:
    """What went wrong between us and a mail server, as a clause; "" = nothing that is known here."""
    import socket
    import ssl

    match problem:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {problem.verify_message}"
        case ssl.SSLError():
            return "the encrypted connection failed"
        case socket.gaierror():
            return "the name of the mail server cannot be resolved"
        case TimeoutError():
            return "the mail server did not answer in time"
        case ConnectionRefusedError():
            return "the mail server refused the connection"
        case FileNotFoundError() | PermissionError() | IsADirectoryError():
            return "the CA file cannot be read"
        case _:
            return ""
