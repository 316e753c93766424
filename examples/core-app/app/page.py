"""What the application answers; no sockets, so that the tests are quick."""

import html
import pathlib

GREETING = "SELECT text FROM greetings ORDER BY id DESC LIMIT 1"


def version(path=pathlib.Path(__file__).with_name("VERSION")):
    return path.read_text().strip()


def index(version, greeting):
    return f"<!doctype html><title>Core app</title><h1>Version {html.escape(version)}</h1><p>{html.escape(greeting)}</p>\n"


def health(query):
    """200 once the database answers, so that no task without it gets requests."""
    try:
        query("SELECT 1")
    except Exception as err:
        return 503, f"the database does not answer: {err}\n"
    return 200, "ok\n"
