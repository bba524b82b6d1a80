"""`manage.py up`: Onebill on this machine, with nothing else to set up."""

from __future__ import annotations

from finops.launch import ServeCommand


class Command(ServeCommand):
    help = "Set up the database, serve the web pages on localhost and run the worker, until Ctrl-C."
