"""keywatch tracks when credentials expire, and sees to it that a living person hears of it in time to renew them."""

__version__ = "0.2.0"
